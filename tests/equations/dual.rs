//! Automatic differentiation with dual numbers v + v′ ε, where ε² = 0. An expression of dual numbers gives its value v and its derivative v′
//! together: (3 + ε)² = 9 + 6 ε, so x² has the value 9 and the slope 6 at x = 3.
//!
//! At a kink the slope is a convention: a definition by cases has the slope of the case that applies, |x| has the slope 0 at 0, and in a tie of min or max
//! each argument has the slope ½.

use gradstep::expr::{Case, Definition, Expr, Primitive, Relation};

/// A value and its slope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual {
    pub value: f64,
    pub slope: f64,
}

/// A constant.
pub fn constant(value: f64) -> Dual {
    Dual { value, slope: 0.0 }
}

/// The variable by which expressions are differentiated.
pub fn variable(value: f64) -> Dual {
    Dual { value, slope: 1.0 }
}

/// The values of the names in an expression.
pub struct Scope<'a> {
    /// Evaluates an expression of type `Entry`, `All`, `Indexed` or `Name`.
    pub named: &'a dyn Fn(&Expr) -> Result<Dual, String>,
    /// The values of `Arg(0)`, `Arg(1)`, ….
    pub arguments: &'a [Dual],
}

fn holds(relation: Relation, a: f64, b: f64) -> bool {
    match relation {
        Relation::Less => a < b,
        Relation::AtMost => a <= b,
        Relation::Equal => a == b,
        Relation::AtLeast => a >= b,
        Relation::Greater => a > b,
    }
}

fn product(a: Dual, b: Dual) -> Dual {
    Dual { value: a.value * b.value, slope: a.slope * b.value + a.value * b.slope }
}

fn quotient(a: Dual, b: Dual) -> Dual {
    Dual { value: a.value / b.value, slope: (a.slope - a.value / b.value * b.slope) / b.value }
}

/// Evaluates an expression whose names are numbers, not larger tensors.
pub fn evaluate(expr: &Expr, scope: &Scope<'_>) -> Result<Dual, String> {
    let value_of = |expr: &Expr| evaluate(expr, scope);
    Ok(match *expr {
        Expr::Entry(_) | Expr::All(_) | Expr::Indexed(..) | Expr::Name(_) => (scope.named)(expr)?,
        Expr::Arg(n) => *scope.arguments.get(n).ok_or_else(|| format!("there is no argument {n}"))?,
        Expr::Number(number) => constant(number),
        Expr::ClosedGate => constant(0.0),
        Expr::Neg(a) => product(constant(-1.0), value_of(a)?),
        Expr::Add([a, b]) => {
            let (a, b) = (value_of(a)?, value_of(b)?);
            Dual { value: a.value + b.value, slope: a.slope + b.slope }
        }
        Expr::Sub([a, b]) => {
            let (a, b) = (value_of(a)?, value_of(b)?);
            Dual { value: a.value - b.value, slope: a.slope - b.slope }
        }
        // here the letters of a matrix product, such as W a, are numbers
        Expr::Mul([a, b]) | Expr::Product(gradstep::expr::Join::Juxtaposed, [a, b]) => product(value_of(a)?, value_of(b)?),
        Expr::Div([a, b]) => quotient(value_of(a)?, value_of(b)?),
        Expr::Square(a) => product(value_of(a)?, value_of(a)?),
        Expr::Of(function, arguments) => apply(function, &arguments.iter().map(value_of).collect::<Result<Vec<_>, _>>()?)?,
        Expr::Cases(cases, other) => {
            for Case { left, is, right, value } in cases {
                if holds(*is, value_of(left)?.value, value_of(right)?.value) {
                    return value_of(value);
                }
            }
            value_of(other)?
        }
        ref other => return Err(format!("{other:?} is not an expression of numbers")),
    })
}

/// Evaluates a function of numbers, from its printed definition or as an elementary function.
pub fn apply(function: &Primitive, arguments: &[Dual]) -> Result<Dual, String> {
    let defined = match (function.meaning, function.definition) {
        (Some(meaning), _) => Some(meaning),
        (None, Definition::Expr(expr)) => Some(expr),
        _ => None,
    };
    match defined {
        Some(expr) => evaluate(expr, &Scope { named: &|name| Err(format!("{name:?} in a definition")), arguments }),
        None => elementary(function.name, arguments),
    }
}

fn elementary(name: &str, arguments: &[Dual]) -> Result<Dual, String> {
    // f(x), with the slope f′(x) · x′ of the chain rule; the slope of a constant x stays 0 even if f′(x) is infinite
    let chained = |value: f64, slope: f64, x: Dual| Dual { value, slope: if x.slope == 0.0 { 0.0 } else { slope * x.slope } };
    Ok(match (name, arguments) {
        ("exp", &[x]) => chained(x.value.exp(), x.value.exp(), x),
        ("log", &[x]) => chained(x.value.ln(), 1.0 / x.value, x),
        ("sqrt", &[x]) => chained(x.value.sqrt(), 0.5 / x.value.sqrt(), x),
        ("sin", &[x]) => chained(x.value.sin(), x.value.cos(), x),
        ("cos", &[x]) => chained(x.value.cos(), -x.value.sin(), x),
        ("tan", &[x]) => chained(x.value.tan(), x.value.cos().powi(-2), x),
        ("tanh", &[x]) => chained(x.value.tanh(), x.value.cosh().powi(-2), x),
        ("abs", &[x]) => chained(x.value.abs(), if x.value == 0.0 { 0.0 } else { x.value.signum() }, x),
        ("normal_cdf", &[x]) => chained(normal_cdf(x.value), normal_density(x.value), x),
        // erf x = 2 Φ(√2 x) − 1
        ("erf", &[x]) => {
            let scaled = x.value * 2.0_f64.sqrt();
            chained(2.0 * normal_cdf(scaled) - 1.0, 8.0_f64.sqrt() * normal_density(scaled), x)
        }
        ("^", &[a, b]) => {
            // only the slopes of these two are used
            let by_base = chained(0.0, b.value * a.value.powf(b.value - 1.0), a).slope;
            let by_exponent = chained(0.0, a.value.powf(b.value) * a.value.ln(), b).slope;
            Dual { value: a.value.powf(b.value), slope: by_base + by_exponent }
        }
        ("min" | "max", &[a, b]) if a.value == b.value => Dual { value: a.value, slope: f64::midpoint(a.slope, b.slope) },
        ("min", &[a, b]) => {
            if a.value < b.value {
                a
            } else {
                b
            }
        }
        ("max", &[a, b]) => {
            if a.value > b.value {
                a
            } else {
                b
            }
        }
        _ => return Err(format!("{name} of {} arguments is not evaluated", arguments.len())),
    })
}

/// φ(x) = exp(−x²/2) / √(2π)
fn normal_density(x: f64) -> f64 {
    (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/(3·5) + …)
fn normal_cdf(x: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while sum + term != sum {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + normal_density(x) * sum
}

/// The slope of every elementary function agrees with a central difference.
#[test]
fn slopes_agree_with_central_differences() {
    let names = ["exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "abs", "normal_cdf", "erf", "^", "min", "max"];
    for name in names {
        let arity = if ["^", "min", "max"].contains(&name) { 2 } else { 1 };
        for argument in 0..arity {
            for point in [[0.31, 1.7], [0.9, 0.6], [2.2, -1.3]] {
                let shifted = |h: f64, slope: f64| {
                    let coordinate = |n: usize| Dual {
                        value: point[n] + if n == argument { h } else { 0.0 },
                        slope: if n == argument { slope } else { 0.0 },
                    };
                    elementary(name, &[coordinate(0), coordinate(1)][..arity]).expect("a function of numbers")
                };
                let difference = (shifted(1e-6, 0.0).value - shifted(-1e-6, 0.0).value) / 2e-6;
                let slope = shifted(0.0, 1.0).slope;
                assert!(
                    (difference - slope).abs() <= 1e-8 * slope.abs().max(1.0),
                    "{name} by argument {argument}: {slope}, not {difference}"
                );
            }
        }
    }
}
