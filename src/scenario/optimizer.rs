//! Reads the optimizer of `[train]`, such as `optimizer = "adam"`, and the schedule of its learning rate. The names of the keys and the defaults are PyTorch's,
//! but `learning_rate` is `lr` in PyTorch and has no default for SGD here, and `t_max` is `T_max`.

use toml::de::DeValue;

use super::excerpt::quoted;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use crate::network::{Optimizer, Schedule, UpdateRule};
use crate::op::layer::Reported;
use crate::words::suggest;

/// An optimizer that a file can name: its keys and defaults.
struct OptimizerKind {
    name: &'static str,
    /// The optimizer's keys, without `learning_rate` and `weight_decay`, which every optimizer has.
    keys: &'static [&'static str],
    /// The default of the learning rate; `None` if there is no default and the file must give it.
    rate: Option<f64>,
    /// The default of the weight decay.
    weight_decay: f64,
    /// Reads `keys`.
    read: fn(&mut OptimizerTable<'_, '_, '_>) -> Result<UpdateRule, Reported>,
}

/// All optimizers. The first is the default.
const OPTIMIZERS: [OptimizerKind; 5] = [
    OptimizerKind { name: "sgd", keys: &["momentum", "dampening", "nesterov"], rate: None, weight_decay: 0.0, read: sgd },
    OptimizerKind {
        name: "adam",
        keys: &["betas", "eps"],
        rate: Some(1e-3),
        weight_decay: 0.0,
        read: |settings| adam(settings, /* is_decoupled */ false),
    },
    OptimizerKind {
        name: "adamw",
        keys: &["betas", "eps"],
        rate: Some(1e-3),
        weight_decay: 1e-2,
        read: |settings| adam(settings, /* is_decoupled */ true),
    },
    OptimizerKind { name: "rmsprop", keys: &["alpha", "eps", "momentum", "centered"], rate: Some(1e-2), weight_decay: 0.0, read: rms_prop },
    OptimizerKind {
        name: "adagrad",
        keys: &["lr_decay", "eps", "initial_accumulator_value"],
        rate: Some(1e-2),
        weight_decay: 0.0,
        read: adagrad,
    },
];

/// The table `[train]`, from which an optimizer's keys are read.
struct OptimizerTable<'a, 't, 'i> {
    reader: &'a mut ScenarioReader,
    table: &'t TomlTable<'i>,
}

/// Reads the optimizer. `header` is the position of `[train]`.
pub(super) fn read(reader: &mut ScenarioReader, table: &TomlTable<'_>, header: &Span) -> Result<Optimizer, Reported> {
    let names: Vec<&str> = OPTIMIZERS.iter().map(|kind| kind.name).collect();
    let kind = match reader.string(table, "optimizer") {
        Ok(None) => Ok(&OPTIMIZERS[0]),
        Ok(Some((name, span))) => OPTIMIZERS
            .iter()
            .find(|kind| kind.name == name)
            .ok_or_else(|| reader.report(span, format!("there is no optimizer {}", quoted(name)), suggest::help(name, &names))),
        Err(reported) => Err(reported),
    };
    // after a fault in the name, `known` is the default optimizer. Its keys are read, so that their faults are reported too
    let known = *kind.as_ref().unwrap_or(&&OPTIMIZERS[0]);
    let is_known = kind.is_ok();
    let key_check = if is_known { check_keys(reader, table, known) } else { Ok(()) };
    let rate = learning_rate(reader, table, header, known.rate, is_known);
    let weight_decay = non_negative(reader, table, "weight_decay");
    let mut settings = OptimizerTable { reader, table };
    let rule = (known.read)(&mut settings);
    let schedule = schedule(reader, table);
    kind?;
    key_check?;
    Ok(Optimizer { learning_rate: rate?, schedule: schedule?, weight_decay: weight_decay?.unwrap_or(known.weight_decay), rule: rule? })
}

/// Returns the default learning rate of the optimizer with this name. Returns `None` if it has none, and if no optimizer has this name.
pub(super) fn default_rate(name: Option<&str>) -> Option<f64> {
    OPTIMIZERS.iter().find(|kind| Some(kind.name) == name)?.rate
}

/// Reports the keys that only other optimizers have.
fn check_keys(reader: &mut ScenarioReader, table: &TomlTable<'_>, kind: &OptimizerKind) -> Result<(), Reported> {
    let mut result = Ok(());
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        let owners: Vec<String> = OPTIMIZERS.iter().filter(|other| other.keys.contains(&key)).map(|other| quoted(other.name)).collect();
        if !owners.is_empty() && !kind.keys.contains(&key) {
            let message = format!("{key} is not a key of the optimizer \"{}\"", kind.name);
            let have = if owners.len() == 1 { "has" } else { "have" };
            let help = format!("{} {have} this key: write optimizer = {}, or leave {key} out", owners.join(" and "), owners.join(" or "));
            result = Err(reader.report(value.span(), message, help));
        }
    }
    result
}

/// Reads the learning rate. `is_known` is `false` after a fault in the optimizer's name. Then a missing rate is not reported, because the optimizer may have a
/// default.
fn learning_rate(
    reader: &mut ScenarioReader,
    table: &TomlTable<'_>,
    header: &Span,
    default: Option<f64>,
    is_known: bool,
) -> Result<f64, Reported> {
    match (table.get("learning_rate"), default) {
        (None, Some(default)) => Ok(default),
        (None, None) if !is_known => Err(Reported),
        (None, None) => Err(reader.report(header.clone(), "learning_rate is missing", "add learning_rate = 0.1, or another number")),
        (Some(value), _) => match reader.number("learning_rate", value) {
            Ok(0.0) => Err(reader.report(value.span(), "learning_rate must not be 0", "a positive one descends, a negative one climbs")),
            other => other,
        },
    }
}

/// Reads a number that must not be negative; `None` if the key is missing.
pub(super) fn non_negative(reader: &mut ScenarioReader, table: &TomlTable<'_>, key: &str) -> Result<Option<f64>, Reported> {
    let Some(value) = table.get(key) else { return Ok(None) };
    match reader.number(key, value) {
        Ok(number) if number < 0.0 => Err(reader.report(value.span(), format!("{key} must be at least 0"), "")),
        other => other.map(Some),
    }
}

impl OptimizerTable<'_, '_, '_> {
    /// Reads a number of at least 0.
    fn number(&mut self, key: &str, default: f64) -> Result<f64, Reported> {
        Ok(non_negative(self.reader, self.table, key)?.unwrap_or(default))
    }

    /// Reads a number of at least 0 and less than 1.
    fn fraction(&mut self, key: &str, value: &TomlValue<'_>) -> Result<f64, Reported> {
        match self.reader.number(key, value) {
            Ok(number) if !(0.0..1.0).contains(&number) => {
                Err(self.reader.report(value.span(), format!("{key} must be at least 0 and less than 1, not {number}"), ""))
            }
            other => other,
        }
    }

    /// Reads `true` or `false`; `false` if the key is missing.
    fn flag(&mut self, key: &str) -> Result<bool, Reported> {
        let Some(value) = self.table.get(key) else { return Ok(false) };
        match value.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.reader.wrong_type(key, value, "true or false", "")),
        }
    }
}

fn sgd(settings: &mut OptimizerTable<'_, '_, '_>) -> Result<UpdateRule, Reported> {
    let (momentum, dampening, nesterov) = (settings.number("momentum", 0.0), settings.number("dampening", 0.0), settings.flag("nesterov"));
    let (momentum, dampening, is_nesterov) = (momentum?, dampening?, nesterov?);
    if is_nesterov && (momentum == 0.0 || dampening != 0.0) {
        let span = settings.table.get("nesterov").map_or(0..0, toml::Spanned::span);
        let help = "add momentum = 0.9, and leave dampening out";
        return Err(settings.reader.report(span, "nesterov needs a momentum and no dampening, as in PyTorch", help));
    }
    Ok(UpdateRule::Sgd { momentum, dampening, is_nesterov })
}

fn adam(settings: &mut OptimizerTable<'_, '_, '_>, is_decoupled: bool) -> Result<UpdateRule, Reported> {
    let betas = settings.table.get("betas").map(|value| match value.get_ref() {
        DeValue::Array(items) if items.len() == 2 => {
            let read: Vec<Result<f64, Reported>> = items.iter().map(|item| settings.fraction("each of betas", item)).collect();
            Ok([read[0]?, read[1]?])
        }
        _ => Err(settings.reader.wrong_type("betas", value, "two numbers, such as [0.9, 0.999]", "")),
    });
    let eps = settings.number("eps", 1e-8);
    Ok(UpdateRule::Adam { betas: betas.unwrap_or(Ok([0.9, 0.999]))?, eps: eps?, is_decoupled })
}

fn rms_prop(settings: &mut OptimizerTable<'_, '_, '_>) -> Result<UpdateRule, Reported> {
    let alpha = settings.table.get("alpha").map_or(Ok(0.99), |value| settings.fraction("alpha", value));
    let (eps, momentum, centred) = (settings.number("eps", 1e-8), settings.number("momentum", 0.0), settings.flag("centered"));
    Ok(UpdateRule::RmsProp { alpha: alpha?, eps: eps?, momentum: momentum?, is_centred: centred? })
}

fn adagrad(settings: &mut OptimizerTable<'_, '_, '_>) -> Result<UpdateRule, Reported> {
    let (lr_decay, eps) = (settings.number("lr_decay", 0.0), settings.number("eps", 1e-10));
    let initial = settings.number("initial_accumulator_value", 0.0);
    Ok(UpdateRule::Adagrad { lr_decay: lr_decay?, eps: eps?, initial: initial? })
}

/// A schedule of the learning rate: its name, its keys, and the function that reads it.
struct ScheduleRow {
    name: &'static str,
    keys: &'static [&'static str],
    /// Reads the schedule from its table. The [`Span`] is the position of the table.
    read: fn(&mut ScenarioReader, &TomlTable<'_>, Span) -> Result<Schedule, Reported>,
}

const SCHEDULES: &[ScheduleRow] = &[
    ScheduleRow { name: "step", keys: &["step_size", "gamma"], read: step_schedule },
    ScheduleRow { name: "exponential", keys: &["gamma"], read: exponential_schedule },
    ScheduleRow { name: "cosine", keys: &["t_max", "eta_min"], read: cosine_schedule },
];

/// The help text for a schedule that is not written as a table.
const SCHEDULE_HELP: &str =
    "write { type = \"step\", step_size = 10, gamma = 0.1 }, { type = \"exponential\", gamma = 0.9 } or { type = \"cosine\", t_max = 100 }";

/// Reads the schedule of the learning rate; `None` if there is none.
fn schedule(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> Result<Option<Schedule>, Reported> {
    let Some(value) = table.get("lr_schedule") else { return Ok(None) };
    let Some(schedule_table) = value.get_ref().as_table() else {
        return Err(reader.wrong_type("lr_schedule", value, "a table", SCHEDULE_HELP));
    };
    let Some((name, span)) = reader.string(schedule_table, "type")? else {
        return Err(reader.report(value.span(), "the type of the schedule is missing", SCHEDULE_HELP));
    };
    let Some(row) = SCHEDULES.iter().find(|row| row.name == name) else {
        let names: Vec<&str> = SCHEDULES.iter().map(|row| row.name).collect();
        return Err(reader.report(span, format!("there is no schedule {}", quoted(name)), suggest::help(name, &names)));
    };
    let mut unknown = Ok(());
    for key in schedule_table.keys().filter(|key| key.get_ref() != "type" && !row.keys.contains(&key.get_ref().as_ref())) {
        let message = format!("the schedule \"{name}\" has no key {}", quoted(key.get_ref()));
        unknown = Err(reader.report(key.span(), message, suggest::help(key.get_ref(), row.keys)));
    }
    let schedule = (row.read)(reader, schedule_table, value.span())?;
    unknown.map(|()| Some(schedule))
}

/// Reads the number of iterations under a key. A missing key is reported at `span`.
fn iterations(reader: &mut ScenarioReader, table: &TomlTable<'_>, span: Span, key: &str) -> Result<u64, Reported> {
    match table.get(key) {
        Some(count) => reader.integer(key, count, 1),
        None => Err(reader.report(span, format!("{key} is missing"), format!("add {key} = 10, a number of iterations"))),
    }
}

fn step_schedule(reader: &mut ScenarioReader, table: &TomlTable<'_>, span: Span) -> Result<Schedule, Reported> {
    let size = iterations(reader, table, span, "step_size");
    let gamma = non_negative(reader, table, "gamma")?.unwrap_or(0.1);
    Ok(Schedule::Step { size: size?, gamma })
}

fn exponential_schedule(reader: &mut ScenarioReader, table: &TomlTable<'_>, span: Span) -> Result<Schedule, Reported> {
    match non_negative(reader, table, "gamma")? {
        Some(gamma) => Ok(Schedule::Exponential { gamma }),
        None => Err(reader.report(span, "gamma is missing", "add gamma = 0.9: each iteration multiplies the learning rate by it")),
    }
}

fn cosine_schedule(reader: &mut ScenarioReader, table: &TomlTable<'_>, span: Span) -> Result<Schedule, Reported> {
    let period = iterations(reader, table, span, "t_max");
    let min = non_negative(reader, table, "eta_min")?.unwrap_or(0.0);
    Ok(Schedule::Cosine { period: period?, min })
}
