//! Reads the numbers that the program prints as JSON.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The JSON that a command of gradstep prints for a scenario, or its error messages.
pub fn json_printed_by_gradstep(command: &str, scenario: &Path) -> Result<Value, String> {
    let run = Command::new(env!("CARGO_BIN_EXE_gradstep")).arg(command).arg(scenario).args(["--format", "json"]).output();
    let output = run.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// The number of a JSON value; infinities and NaN are written as strings.
pub fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}
