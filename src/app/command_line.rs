//! Copies shell commands that call `gradstep` for the open scenario: [`Action::CopyCommandLine`](super::Action::CopyCommandLine).

use std::path::Path;

use super::{Request, ScenarioGroup, Setting, State, Stepper};
use crate::number::Digits;

impl State {
    /// Copies a shell command with these arguments. The message says if the command does not know the edits on the screen.
    pub(super) fn copy_command_line(&mut self, arguments: &str) -> Option<Request> {
        let stepper = self.stepper()?;
        let scenario = quote_for_shell(&self.scenario_argument(stepper));
        let address = quote_for_shell(&stepper.address_here()?.to_string());
        let without_edits = arguments.contains("{scenario}") && stepper.edits.are_unsaved();
        let keys = if self.settings.is_on(Setting::HeatMap) { " --keys H" } else { "" };
        let arguments = arguments.replace("{options}", &self.draw_options(stepper)).replace("{keys}", keys);
        let arguments = arguments.replace("{scenario}", &scenario).replace("{address}", &address);
        let line = format!("gradstep {arguments}");
        let without_edits = if without_edits { " without the unsaved edits (W writes them)" } else { "" };
        self.say(format!("copied{without_edits}: {line}"), false);
        Some(Request::Copy(line))
    }

    /// Returns the argument SCENARIO that opens the scenario again: its path, or the name of a bundled scenario.
    fn scenario_argument(&self, stepper: &Stepper) -> String {
        let scenario = &stepper.document.scenario;
        let is_bundled = || self.scenarios.iter().any(|entry| entry.group == ScenarioGroup::Bundled && entry.name == scenario.name);
        match &scenario.path {
            Some(path) => path.to_string_lossy().into_owned(),
            None if scenario.name == "-" || is_bundled() => scenario.name.clone(),
            None => format!("{}.toml", scenario.name),
        }
    }

    /// Returns the options that draw the screen as it is now, each after a blank: of the comparison with the user's gradients, and of settings.
    fn draw_options(&self, stepper: &Stepper) -> String {
        let mut options: Vec<String> = Vec::new();
        if let Some(comparison) = stepper.current_comparison() {
            options.push(format!(" --mine {}", quote_for_shell(&comparison.file)));
            // such a file has one tensor without a name
            if Path::new(&comparison.file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy")) {
                options.push(format!(" --tensor {}", quote_for_shell(&comparison.name(&stepper.document.trace, 0))));
            }
        }
        if self.settings.first_index() == 0 {
            options.push(" --index 0".to_owned());
        }
        if self.settings.digits != Digits::default() {
            options.push(format!(" --digits {}", self.settings.digits.count()));
        }
        if self.settings.is_on(Setting::Zoom) {
            options.push(" --zoom".to_owned());
        }
        options.concat()
    }
}

/// Quotes an argument for a shell if it has characters other than letters, digits and a few safe signs.
fn quote_for_shell(argument: &str) -> String {
    if argument.chars().all(|c| c.is_alphanumeric() || "._-/:".contains(c)) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}
