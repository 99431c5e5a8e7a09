//! Wrong answers in prediction, worked out by hand as someone would who makes the mistake. The comments show the calculations. With the loss `upstream`, the
//! target of a scenario is the error ∂C/∂a of its output.

use super::*;

/// W = [[0.2, 0.7, −0.5], [−0.4, 1.1, 0.9], [0.6, −0.8, 0.3]], x = (1, 2, −3), and the error δ = (0.5, −2, 3).
///
/// z₁ = 0.2 + 1.4 + 1.5 = 3.1;  z₂ = −0.4 + 2.2 − 2.7 = −0.9;  z₃ = 0.6 − 1.6 − 0.9 = −1.9
const SQUARE: &str = r#"title = "square"
input = [1, 2, -3]
target = [0.5, -2, 3]
loss = "upstream"
[[layer]]
type = "linear"
weight = [[0.2, 0.7, -0.5], [-0.4, 1.1, 0.9], [0.6, -0.8, 0.3]]
"#;

/// The filter w = [[0.2, 0.7], [−0.4, 1.1]], and the error δ = [[0.3, −0.6], [0.9, 0.5]].
const FILTER: &str = r#"title = "filter"
input = [[1, 2, 0], [4, 3, -3], [5, -2, 6]]
target = [[0.3, -0.6], [0.9, 0.5]]
loss = "upstream"
[[layer]]
type = "conv2d"
weight = [[0.2, 0.7], [-0.4, 1.1]]
"#;

/// A filter of 2x3, whose gradient is ∂C/∂wₖₗ = 1·aₖₗ − 2·aₖ,ₗ₊₁ + 3·aₖ₊₁,ₗ + 0.5·aₖ₊₁,ₗ₊₁.
const WIDE: &str = r#"title = "wide"
input = [[1, 2, 0, -1], [4, 3, -3, 2], [5, -2, 6, 1]]
target = [[1, -2], [3, 0.5]]
loss = "upstream"
[[layer]]
type = "conv2d"
weight = [[0.2, 0.7, 0.3], [-0.4, 1.1, -0.6]]
"#;

/// z = (2, −1), a = (0.964, −0.762), and the error (3, −2) at a.
const TANH: &str = r#"title = "tanh"
input = [2, -1]
target = [3, -2]
loss = "upstream"
[[layer]]
type = "linear"
weight = [[1, 0], [0, 1]]
activation = "tanh"
"#;

/// Opens one of the scenarios above, or a bundled one.
pub fn open(name: &str) -> Arc<Document> {
    match name {
        "square" => small(SQUARE),
        "filter" => small(FILTER),
        "wide" => small(WIDE),
        "tanh" => small(TANH),
        bundled => Arc::new(ScenarioLoader::bundled(Limits::default()).open(bundled).unwrap()),
    }
}

/// Wrong numbers with one mistake: a scenario, an address, the number.
pub type WrongNumbers = [(&'static str, &'static str, &'static str); 10];

/// Wrong numbers for each mistake that has a hint, in the order of `gradstep::mistakes::MISTAKES`.
pub const WORKED_BY_HAND: &[(&str, WrongNumbers)] = &[
    // a forgotten sign
    (
        "sign-flipped",
        [
            ("figure-16", "fc1.z[0]", "-0.7"),          // 0.6 + 0.2 − 0.2 + 0.1 = 0.7
            ("figure-16", "fc1.z[2]", "0.6"),           // −0.5 + 0.4 − 0.3 − 0.2 = −0.6
            ("figure-16", "fc2.z[0]", "-1.09"),         // 0.35 + 0.64 + 0 + 0.1 = 1.09
            ("figure-16", "fc2.z[1]", "0.07"),          // −0.28 + 0.16 + 0 + 0.05 = −0.07
            ("figure-16", "grad.fc2.z[0]", "-0.76"),    // t − a = 0 − 0.76 for a − t
            ("figure-16", "grad.fc2.z[1]", "0.76"),     // t − a = 1 − 0.24 for a − t
            ("mazur-2-2-2", "grad.fc2.a[0]", "-0.741"), // t − a = 0.01 − 0.751
            ("figure-20", "grad.input[0,1,1]", "7"),    // 1 − 3 − 6 + 1 = −7
            ("square", "grad.input[1]#2", "2.2"),       // 1.1·(−2) = −2.2
            ("filter", "grad.input[0,2,0]#1", "0.36"),  // −0.4·0.9 = −0.36
        ],
    ),
    // a forgotten derivative of the activation
    (
        "activation-derivative-missing",
        [
            ("mazur-2-2-2", "grad.fc2.z[0]", "0.741"),  // δ = ∂C/∂a = a − t = 0.751 − 0.01
            ("mazur-2-2-2", "grad.fc2.z[1]", "-0.217"), // 0.773 − 0.99
            ("mazur-2-2-2", "grad.fc1.z[0]", "0.0364"), // ∂C/∂a = 0.4·0.1385 − 0.5·0.0381
            ("mazur-2-2-2", "grad.fc1.z[1]", "0.0414"), // 0.45·0.1385 − 0.55·0.0381
            ("figure-16", "grad.fc1.z[2]", "-0.914"),   // z₃ < 0: the error −0.914 must become 0
            ("xor", "1:grad.fc1.z[1]", "-0.158"),       // −0.3·0.527
            ("xor", "2:grad.fc1.z[0]", "-0.238"),       // 0.5·(−0.477)
            ("xor", "2:grad.fc1.z[1]", "0.143"),        // −0.3·(−0.477)
            ("xor", "3:grad.fc1.z[0]", "-0.223"),       // 0.5·(−0.447)
            ("xor", "3:grad.fc2.z[0]", "-1.807"),       // ∂C/∂a = −1/a = −1/0.5535
        ],
    ),
    // a forgotten learning rate
    // The learning rate is 0.5, and in the first iteration the velocity v is the gradient.
    (
        "learning-rate-missing",
        [
            ("xor", "update:fc2.bias[0]", "-0.0367"),        // 0 − v
            ("xor", "update:fc2.bias[0]", "0.0367"),         // 0 + v
            ("xor", "update:fc2.weight[0,0]#2", "0.000789"), // −v for −0.5·v
            ("xor", "update:fc2.weight[0,0]#2", "-0.000789"),
            ("xor", "update:fc2.weight[0,1]#2", "0.01028"),
            ("xor", "update:fc2.weight[0,1]#2", "-0.01028"),
            ("xor", "update:fc1.bias[0]#2", "-0.00731"),
            ("xor", "update:fc1.bias[0]#2", "0.00731"),
            ("xor", "update:fc1.bias[1]#2", "-0.00368"),
            ("xor", "update:fc1.bias[1]#2", "0.00368"),
        ],
    ),
    // a forgotten constant
    // The ½ of a squared error, and the ¼ of a mean over four samples.
    (
        "constant-missing",
        [
            ("mazur-2-2-2", "loss#1", "0.55"),   // 0.741²
            ("mazur-2-2-2", "loss#2", "0.0471"), // 0.217²
            ("mazur-2-2-2", "loss", "0.597"),    // 0.5496 + 0.0471
            ("xor", "reduce:loss", "2.77"),      // 0.749 + 0.648 + 0.592 + 0.783
            ("xor", "reduce:loss#1", "0.749"),
            ("xor", "reduce:loss#2", "0.648"),
            ("xor", "reduce:grad.fc2.bias[0]", "0.1467"), // 0.5272 − 0.4769 − 0.4465 + 0.5428 = 0.1466
            ("xor", "reduce:grad.fc2.bias[0]#1", "0.527"),
            ("xor", "reduce:grad.fc2.bias[0]#2", "-0.477"),
            ("xor", "reduce:grad.fc1.bias[0]#3", "-0.142"),
        ],
    ),
    // a missing factor
    (
        "factor-missing",
        [
            ("mazur-2-2-2", "grad.fc2.weight[0,0]", "0.138"), // only δ₁ for a₁·δ₁
            ("mazur-2-2-2", "grad.fc2.weight[0,0]", "0.593"), // only a₁
            ("square", "fc1.z[0]", "0.4"),                    // the weights alone: 0.2 + 0.7 − 0.5
            ("square", "fc1.z[0]#2", "0.7"),                  // w₁₂ for w₁₂·x₂
            ("square", "fc1.z[0]#2", "2"),                    // x₂ for w₁₂·x₂
            ("square", "grad.input[0]", "1.5"),               // the errors alone: 0.5 − 2 + 3
            ("square", "grad.input[1]", "1.0"),               // the weights alone: 0.7 + 1.1 − 0.8
            ("filter", "grad.input[0,0,0]", "0.3"),           // δ₁₁ for w₁₁·δ₁₁
            ("filter", "grad.input[0,0,0]", "0.2"),           // w₁₁ for w₁₁·δ₁₁
            ("figure-16", "grad.fc1.weight[0,1]", "0.685"),   // δ₁ for x₂·δ₁
        ],
    ),
    // a filter that is not turned
    // The filter [[0.2, 0.7], [−0.4, 1.1]] is laid on the padded error without being turned.
    (
        "kernel-not-flipped",
        [
            ("filter", "grad.input[0,0,0]", "0.33"),    // 1.1·0.3
            ("filter", "grad.input[0,0,1]", "-0.78"),   // 1.1·(−0.6) − 0.4·0.3
            ("filter", "grad.input[0,0,2]", "0.24"),    // −0.4·(−0.6)
            ("figure-20", "grad.input[0,2,0]", "-3"),   // −1·3
            ("filter", "grad.input[0,1,1]", "-0.17"),   // 1.1·0.5 − 0.4·0.9 − 0.7·0.6 + 0.2·0.3
            ("filter", "grad.input[0,1,2]", "-0.32"),   // −0.4·0.5 + 0.2·(−0.6)
            ("filter", "grad.input[0,2,0]", "0.63"),    // 0.7·0.9
            ("filter", "grad.input[0,2,1]", "0.53"),    // 0.7·0.5 + 0.2·0.9
            ("filter", "grad.input[0,2,2]", "0.1"),     // 0.2·0.5
            ("figure-20", "grad.input[0,1,1]", "13.5"), // 2·1 − 1·(−2) + 3·3 + 1·0.5
        ],
    ),
    // a filter that is turned
    // The filter is turned before it is laid on the input, as in mathematics: [[1.1, −0.4], [0.7, 0.2]] and, in figure 18, [[1, 3], [−1, 2]].
    (
        "kernel-flipped",
        [
            ("filter", "conv1.z[0,0,0]", "3.7"),    // 1.1·1 − 0.4·2 + 0.7·4 + 0.2·3
            ("filter", "conv1.z[0,0,1]", "3.7"),    // 1.1·2 − 0.4·0 + 0.7·3 + 0.2·(−3)
            ("filter", "conv1.z[0,1,0]", "6.3"),    // 1.1·4 − 0.4·3 + 0.7·5 + 0.2·(−2)
            ("filter", "conv1.z[0,1,1]", "4.3"),    // 1.1·3 − 0.4·(−3) + 0.7·(−2) + 0.2·6
            ("figure-18", "conv1.z[0,0,0]", "9"),   // 1·1 + 3·2 − 1·4 + 2·3
            ("figure-18", "conv1.z[0,0,1]", "-7"),  // 1·2 + 3·0 − 1·3 + 2·(−3)
            ("figure-18", "conv1.z[0,1,0]", "4"),   // 1·4 + 3·3 − 1·5 + 2·(−2)
            ("figure-18", "conv1.z[0,1,1]", "8"),   // 1·3 + 3·(−3) − 1·(−2) + 2·6
            ("filter", "conv1.z[0,0,0]#1", "1.1"),  // w₂₂·a₁₁ = 1.1·1
            ("filter", "conv1.z[0,0,0]#2", "-0.8"), // w₂₁·a₁₂ = −0.4·2
        ],
    ),
    // a filter that is transposed instead of turned
    // The transposed filter, [[0.2, −0.4], [0.7, 1.1]] and [[2, 3], [−1, 1]], laid on the padded error.
    (
        "kernel-transposed-instead-of-rotated",
        [
            ("filter", "grad.input[0,0,1]", "-0.45"),   // 0.7·0.3 + 1.1·(−0.6)
            ("filter", "grad.input[0,1,0]", "0.87"),    // −0.4·0.3 + 1.1·0.9
            ("filter", "grad.input[0,1,1]", "1.48"),    // 0.2·0.3 − 0.4·(−0.6) + 0.7·0.9 + 1.1·0.5
            ("filter", "grad.input[0,1,2]", "0.23"),    // 0.2·(−0.6) + 0.7·0.5
            ("filter", "grad.input[0,2,1]", "-0.02"),   // 0.2·0.9 − 0.4·0.5
            ("figure-20", "grad.input[0,0,1]", "-3"),   // −1·1 + 1·(−2)
            ("figure-20", "grad.input[0,1,0]", "6"),    // 3·1 + 1·3
            ("figure-20", "grad.input[0,1,1]", "-6.5"), // 2·1 + 3·(−2) − 1·3 + 1·0.5
            ("figure-20", "grad.input[0,1,2]", "-4.5"), // 2·(−2) − 1·0.5
            ("figure-20", "grad.input[0,2,1]", "7.5"),  // 2·3 + 3·0.5
        ],
    ),
    // a forgotten transpose of the weights
    (
        "weight-transpose-missing",
        [
            ("square", "fc1.z[0]", "-2.4"),      // column 1: 0.2 − 0.8 − 1.8
            ("square", "fc1.z[1]", "5.3"),       // column 2: 0.7 + 2.2 + 2.4
            ("square", "fc1.z[2]", "0.4"),       // column 3: −0.5 + 1.8 − 0.9
            ("square", "grad.input[0]", "-2.8"), // row 1: 0.1 − 1.4 − 1.5
            ("square", "grad.input[1]", "0.3"),  // row 2: −0.2 − 2.2 + 2.7
            ("square", "grad.input[2]", "2.8"),  // row 3: 0.3 + 1.6 + 0.9
            ("square", "fc1.z[0]#2", "-0.8"),    // w₂₁·x₂ = −0.4·2
            ("square", "fc1.z[0]#3", "-1.8"),    // w₃₁·x₃ = 0.6·(−3)
            ("square", "fc1.z[1]#1", "0.7"),     // w₁₂·x₁
            ("square", "fc1.z[2]#2", "1.8"),     // w₂₃·x₂ = 0.9·2
        ],
    ),
    // a transposed outer product
    // The gradient of a weight is its input a times the error δ of its output; here, rows and columns are exchanged.
    (
        "outer-product-transposed",
        [
            ("square", "grad.fc1.weight[0,1]", "-2"),            // x₁·δ₂ = 1·(−2)
            ("square", "grad.fc1.weight[0,2]", "3"),             // x₁·δ₃ = 1·3
            ("mazur-2-2-2", "grad.fc2.weight[0,1]", "-0.0226"),  // 0.593·(−0.0381)
            ("mazur-2-2-2", "grad.fc2.weight[1,0]", "0.0827"),   // 0.597·0.1385
            ("mazur-2-2-2", "grad.fc1.weight[0,1]", "0.000498"), // 0.05·0.00995
            ("mazur-2-2-2", "grad.fc1.weight[1,0]", "0.000877"), // 0.1·0.00877
            ("figure-16", "grad.fc2.weight[0,1]", "-0.533"),     // 0.7·(−0.761)
            ("figure-16", "grad.fc2.weight[1,0]", "0.609"),      // 0.8·0.761
            ("figure-16", "grad.fc1.weight[0,1]", "0.457"),      // 1·0.457
            ("figure-16", "grad.fc1.weight[1,0]", "0.343"),      // 0.5·0.685
        ],
    ),
    // The error turned by 180° on the window of the input: δ is (1 −2; 3 0.5), turned (0.5 3; −2 1).
    (
        "error-turned",
        [
            ("figure-19", "grad.conv1.weight[0,0,0,0]", "1.5"),   // 1·0.5 + 2·3 + 4·(−2) + 3·1
            ("figure-19", "grad.conv1.weight[0,0,0,1]", "-8"),    // 2·0.5 + 0·3 + 3·(−2) − 3·1
            ("figure-19", "grad.conv1.weight[0,0,1,0]", "-1"),    // 4·0.5 + 3·3 + 5·(−2) − 2·1
            ("figure-19", "grad.conv1.weight[0,0,1,1]", "2.5"),   // 3·0.5 − 3·3 − 2·(−2) + 6·1
            ("figure-19", "grad.conv1.weight[0,0,0,0]#2", "6"),   // 2·3 for 2·(−2)
            ("figure-19", "grad.conv1.weight[0,0,0,0]#3", "-8"),  // 4·(−2) for 4·3
            ("figure-19", "grad.conv1.weight[0,0,0,1]#4", "-3"),  // −3·1 for −3·0.5
            ("figure-19", "grad.conv1.weight[0,0,1,0]#1", "2"),   // 4·0.5 for 4·1
            ("figure-19", "grad.conv1.weight[0,0,1,0]#3", "-10"), // 5·(−2) for 5·3
            ("figure-19", "grad.conv1.weight[0,0,1,1]#2", "-9"),  // −3·3 for −3·(−2)
        ],
    ),
    // a turned gradient of a filter
    // The gradient of a filter, turned by 180° as the filter of the input's gradient is.
    (
        "weight-gradient-rotated",
        [
            ("figure-19", "grad.conv1.weight[0,0,0,0]", "6"), // the window of w₂₂: 3·1 − 3·(−2) − 2·3 + 6·0.5
            ("figure-19", "grad.conv1.weight[0,0,0,1]", "12"), // of w₂₁: 4·1 + 3·(−2) + 5·3 − 2·0.5
            ("figure-19", "grad.conv1.weight[0,0,1,0]", "9.5"), // of w₁₂: 2·1 + 0·(−2) + 3·3 − 3·0.5
            ("figure-19", "grad.conv1.weight[0,0,1,1]", "10.5"), // of w₁₁: 1·1 + 2·(−2) + 4·3 + 3·0.5
            ("filter", "grad.conv1.weight[0,0,0,0]", "3.9"),  // 3·0.3 − 3·(−0.6) − 2·0.9 + 6·0.5
            ("filter", "grad.conv1.weight[0,0,0,1]", "2.9"),  // 4·0.3 + 3·(−0.6) + 5·0.9 − 2·0.5
            ("filter", "grad.conv1.weight[0,0,1,0]", "1.8"),  // 2·0.3 + 0·(−0.6) + 3·0.9 − 3·0.5
            ("filter", "grad.conv1.weight[0,0,1,1]", "4.2"),  // 1·0.3 + 2·(−0.6) + 4·0.9 + 3·0.5
            ("wide", "grad.conv1.weight[0,0,0,0]", "11.5"),   // of w₂₃: −3 − 2·2 + 3·6 + 0.5·1
            ("wide", "grad.conv1.weight[0,0,0,2]", "12"),     // of w₂₁: 4 − 2·3 + 3·5 + 0.5·(−2)
        ],
    ),
    // a function that is not applied
    (
        "function-not-applied",
        [
            ("mazur-2-2-2", "fc1.a[0]", "0.3775"), // z₁ = 0.15·0.05 + 0.2·0.1 + 0.35
            ("mazur-2-2-2", "fc1.a[1]", "0.3925"), // z₂ = 0.25·0.05 + 0.3·0.1 + 0.35
            ("mazur-2-2-2", "fc2.a[0]", "1.106"),  // 0.4·0.5933 + 0.45·0.5969 + 0.6
            ("mazur-2-2-2", "fc2.a[1]", "1.225"),  // 0.5·0.5933 + 0.55·0.5969 + 0.6
            ("figure-16", "fc1.a[2]", "-0.6"),     // z₃ for relu(z₃) = 0
            ("xor", "2:fc1.a[0]", "0.5"),          // 0.6·0 + 0.4·1 + 0.1
            ("xor", "2:fc1.a[1]", "0.5"),          // 0.5·0 + 0.7·1 − 0.2
            ("xor", "3:fc1.a[0]", "0.7"),          // 0.6·1 + 0.4·0 + 0.1
            ("xor", "4:fc1.a[0]", "1.1"),          // 0.6·1 + 0.4·1 + 0.1
            ("xor", "4:fc1.a[1]", "1"),            // 0.5·1 + 0.7·1 − 0.2
        ],
    ),
    // a number that is not the maximum
    // The windows are (8, 2, 4, 1), (7, 1, 0, 6), (1, 2, 2, 1) and (3, 2, 9, 1).
    (
        "not-the-maximum",
        [
            ("figure-07", "pool1.a[0,0,0]", "2"),
            ("figure-07", "pool1.a[0,0,0]", "4"),
            ("figure-07", "pool1.a[0,0,0]", "1"),
            ("figure-07", "pool1.a[0,0,1]", "1"),
            ("figure-07", "pool1.a[0,0,1]", "0"),
            ("figure-07", "pool1.a[0,0,1]", "6"),
            ("figure-07", "pool1.a[0,1,0]", "1"),
            ("figure-07", "pool1.a[0,1,1]", "3"),
            ("figure-07", "pool1.a[0,1,1]", "2"),
            ("figure-07", "pool1.a[0,1,1]", "1"),
        ],
    ),
    // a derivative at the output of the activation
    // σ′(a) for σ′(z), and tanh′(a) for tanh′(z): the function is applied once too often. σ′(x) = σ(x)(1 − σ(x)), and tanh′(x) = 1 − tanh²(x).
    (
        "derivative-at-a-instead-of-z",
        [
            ("mazur-2-2-2", "grad.fc2.z[0]", "0.1615"),  // σ(0.7514) = 0.6795: 0.6795·0.3205·0.7414
            ("mazur-2-2-2", "grad.fc2.z[1]", "-0.0469"), // σ(0.7729) = 0.6841: 0.6841·0.3159·(−0.2171)
            ("mazur-2-2-2", "grad.fc1.z[0]", "0.00833"), // σ(0.5933) = 0.6441: 0.6441·0.3559·0.03635
            ("mazur-2-2-2", "grad.fc1.z[1]", "0.00947"), // σ(0.5969) = 0.6449: 0.6449·0.3551·0.04137
            ("xor", "2:grad.fc1.z[0]", "-0.194"),        // tanh(0.4621) = 0.4318: (1 − 0.1865)·(−0.2385)
            ("xor", "3:grad.fc1.z[0]", "-0.158"),        // tanh(0.6044) = 0.5402: (1 − 0.2918)·(−0.2233)
            ("xor", "4:grad.fc1.z[0]", "0.152"),         // tanh(0.8005) = 0.6643: (1 − 0.4413)·0.2714
            ("xor", "4:grad.fc1.z[1]", "-0.0957"),       // tanh(0.7616) = 0.6420: (1 − 0.4122)·(−0.1629)
            ("tanh", "grad.fc1.z[0]", "1.33"),           // tanh(0.9640) = 0.7462: (1 − 0.5568)·3
            ("tanh", "grad.fc1.z[1]", "-1.18"),          // tanh(−0.7616) = −0.6420: (1 − 0.4122)·(−2)
        ],
    ),
    // the sum so far for the term
    (
        "sum-instead-of-term",
        [
            ("square", "fc1.z[0]#2", "1.6"),            // 0.2 + 1.4
            ("square", "fc1.z[0]#3", "3.1"),            // 1.6 + 1.5
            ("square", "fc1.z[1]#2", "1.8"),            // −0.4 + 2.2
            ("square", "fc1.z[1]#3", "-0.9"),           // 1.8 − 2.7
            ("square", "fc1.z[2]#2", "-1"),             // 0.6 − 1.6
            ("square", "fc1.z[2]#3", "-1.9"),           // −1 − 0.9
            ("filter", "grad.input[0,1,1]#2", "0.73"),  // 0.1 + 0.63
            ("filter", "grad.input[0,1,1]#3", "0.97"),  // 0.73 + 0.24
            ("filter", "grad.input[0,1,1]#4", "1.3"),   // 0.97 + 0.33
            ("figure-20", "grad.input[0,1,1]#3", "-8"), // 1 − 3 − 6
        ],
    ),
    // a term that is left out
    (
        "term-left-out",
        [
            ("square", "fc1.z[0]", "1.6"),         // 3.1 − 1.5
            ("square", "fc1.z[0]", "1.7"),         // 3.1 − 1.4
            ("square", "fc1.z[0]", "2.9"),         // 3.1 − 0.2
            ("square", "fc1.z[1]", "1.8"),         // −0.9 + 2.7
            ("square", "fc1.z[1]", "-3.1"),        // −0.9 − 2.2
            ("square", "fc1.z[1]", "-0.5"),        // −0.9 + 0.4
            ("figure-16", "fc2.z[0]", "0.99"),     // without the bias 0.1
            ("figure-16", "fc2.z[1]", "-0.12"),    // without the bias 0.05
            ("mazur-2-2-2", "fc1.z[0]", "0.0275"), // without the bias 0.35
            ("mazur-2-2-2", "fc2.z[0]", "0.506"),  // without the bias 0.6
        ],
    ),
    // one term for the sum
    (
        "term-instead-of-sum",
        [
            ("square", "fc1.z[0]", "0.2"),                     // 0.2·1
            ("square", "fc1.z[0]", "1.4"),                     // 0.7·2
            ("square", "fc1.z[0]", "1.5"),                     // −0.5·(−3)
            ("square", "fc1.z[1]", "-0.4"),                    // −0.4·1
            ("square", "fc1.z[1]", "2.2"),                     // 1.1·2
            ("square", "fc1.z[1]", "-2.7"),                    // 0.9·(−3)
            ("square", "fc1.z[2]", "-1.6"),                    // −0.8·2
            ("figure-19", "grad.conv1.weight[0,0,0,0]", "12"), // 4·3
            ("figure-19", "grad.conv1.weight[0,0,1,0]", "15"), // 5·3
            ("mazur-2-2-2", "fc2.z[0]", "0.237"),              // 0.4·0.5933
        ],
    ),
    // a sum that is not finished
    (
        "sum-not-finished",
        [
            ("filter", "conv1.z[0,0,0]", "1.6"),               // 0.2 + 1.4, and −1.6 + 3.3 follow
            ("filter", "conv1.z[0,1,0]", "2.9"),               // 0.8 + 2.1
            ("filter", "conv1.z[0,1,1]", "-1.5"),              // 0.6 − 2.1
            ("figure-18", "conv1.z[0,1,0]", "5"),              // 8 − 3
            ("figure-19", "grad.conv1.weight[0,0,0,0]", "-3"), // 1 − 4
            ("figure-19", "grad.conv1.weight[0,0,1,0]", "-2"), // 4 − 6
            ("figure-19", "grad.conv1.weight[0,0,1,1]", "9"),  // 3 + 6
            ("filter", "grad.conv1.weight[0,0,0,0]", "-0.9"),  // 0.3 − 1.2
            ("filter", "grad.conv1.weight[0,0,1,0]", "-0.6"),  // 1.2 − 1.8
            ("figure-16", "fc1.z[0]", "0.8"),                  // 0.6 + 0.2, and −0.2 + 0.1 follow
        ],
    ),
    // a forgotten sign of one term
    (
        "term-sign-flipped",
        [
            ("square", "fc1.z[0]", "0.3"),                        // 0.2 − 1.4 + 1.5
            ("square", "fc1.z[0]", "0.1"),                        // 0.2 + 1.4 − 1.5
            ("square", "fc1.z[0]", "2.7"),                        // −0.2 + 1.4 + 1.5
            ("square", "fc1.z[1]", "4.5"),                        // −0.4 + 2.2 + 2.7
            ("square", "fc1.z[1]", "-0.1"),                       // 0.4 + 2.2 − 2.7
            ("square", "fc1.z[1]", "-5.3"),                       // −0.4 − 2.2 − 2.7
            ("square", "fc1.z[2]", "1.3"),                        // 0.6 + 1.6 − 0.9
            ("square", "fc1.z[2]", "-0.1"),                       // 0.6 − 1.6 + 0.9
            ("figure-19", "grad.conv1.weight[0,0,0,0]", "18.5"),  // 1 + 4 + 12 + 1.5
            ("figure-19", "grad.conv1.weight[0,0,0,0]", "-13.5"), // 1 − 4 − 12 + 1.5
        ],
    ),
    // the mean for the sum
    (
        "mean-instead-of-sum",
        [
            ("square", "fc1.z[0]", "1.03"),                      // 3.1/3
            ("square", "fc1.z[1]", "-0.3"),                      // −0.9/3
            ("square", "fc1.z[2]", "-0.633"),                    // −1.9/3
            ("figure-19", "grad.conv1.weight[0,0,0,0]", "2.63"), // 10.5/4
            ("figure-19", "grad.conv1.weight[0,0,0,1]", "19/8"), // 9.5/4
            ("figure-19", "grad.conv1.weight[0,0,1,0]", "3"),    // 12/4
            ("figure-19", "grad.conv1.weight[0,0,1,1]", "1.5"),  // 6/4
            ("figure-20", "grad.input[0,1,1]", "-1.75"),         // −7/4
            ("figure-18", "conv1.z[0,0,0]", "3.75"),             // 15/4
            ("figure-18", "conv1.z[0,1,0]", "4.5"),              // 18/4
        ],
    ),
    // factors that are added
    (
        "added-instead-of-multiplied",
        [
            ("square", "fc1.z[0]#1", "1.2"),                      // 0.2 + 1
            ("square", "fc1.z[0]#2", "2.7"),                      // 0.7 + 2
            ("square", "fc1.z[0]#3", "-3.5"),                     // −0.5 − 3
            ("square", "fc1.z[1]#1", "0.6"),                      // −0.4 + 1
            ("square", "fc1.z[1]#2", "3.1"),                      // 1.1 + 2
            ("square", "fc1.z[1]#3", "-2.1"),                     // 0.9 − 3
            ("figure-19", "grad.conv1.weight[0,0,0,0]#3", "7"),   // 4 + 3
            ("figure-19", "grad.conv1.weight[0,0,0,0]#4", "3.5"), // 3 + 0.5
            ("figure-16", "grad.fc2.weight[0,1]", "1.56"),        // 0.8 + 0.7613
            ("mazur-2-2-2", "grad.fc2.weight[0,0]", "0.732"),     // 0.5933 + 0.1385
        ],
    ),
    // the term before or after
    (
        "neighbour-term",
        [
            ("square", "fc1.z[0]#1", "1.4"),                      // term 2: 0.7·2
            ("square", "fc1.z[0]#2", "1.5"),                      // term 3: −0.5·(−3)
            ("square", "fc1.z[0]#2", "0.2"),                      // term 1: 0.2·1
            ("square", "fc1.z[1]#1", "2.2"),                      // term 2: 1.1·2
            ("square", "fc1.z[1]#2", "-0.4"),                     // term 1: −0.4·1
            ("square", "fc1.z[1]#2", "-2.7"),                     // term 3: 0.9·(−3)
            ("square", "fc1.z[1]#3", "2.2"),                      // term 2
            ("figure-19", "grad.conv1.weight[0,0,0,0]#1", "-4"),  // term 2: 2·(−2)
            ("figure-19", "grad.conv1.weight[0,0,0,0]#2", "12"),  // term 3: 4·3
            ("figure-19", "grad.conv1.weight[0,0,0,0]#3", "1.5"), // term 4: 3·0.5
        ],
    ),
    // a neighbouring entry
    (
        "neighbour-entry",
        [
            ("square", "fc1.z[0]", "-0.9"),             // z₂
            ("square", "fc1.z[1]", "3.1"),              // z₁
            ("square", "fc1.z[1]", "-1.9"),             // z₃
            ("figure-20", "grad.input[0,1,1]", "-5"),   // above
            ("figure-20", "grad.input[0,1,1]", "9"),    // to the left
            ("figure-20", "grad.input[0,1,1]", "-2.5"), // to the right
            ("figure-20", "grad.input[0,1,1]", "4.5"),  // below
            ("filter", "grad.input[0,1,1]", "0.79"),    // below: 0.99 − 0.2
            ("filter", "grad.input[0,1,1]", "-0.31"),   // to the right: 0.35 − 0.66
            ("filter", "grad.input[0,1,1]", "0.09"),    // above: 0.21 − 0.12
        ],
    ),
    // twice the number
    (
        "factor-two-extra",
        [
            ("figure-19", "grad.conv1.weight[0,0,0,0]", "21"), // 2·10.5
            ("figure-19", "grad.conv1.weight[0,0,0,1]", "19"), // 2·9.5
            ("figure-20", "grad.input[0,0,1]", "-10"),         // 2·(−5)
            ("figure-18", "conv1.z[0,0,0]", "30"),             // 2·15
            ("figure-18", "conv1.z[0,0,1]", "20"),             // 2·10
            ("figure-18", "conv1.z[0,1,0]", "36"),             // 2·18
            ("figure-20", "grad.input[0,1,1]", "-14"),         // 2·(−7)
            ("mazur-2-2-2", "grad.fc2.a[0]", "1.483"),         // the derivative of (a − t)² without ½: 2·0.7414
            ("mazur-2-2-2", "grad.fc2.a[1]", "-0.434"),        // 2·(−0.2171)
            ("square", "fc1.z[0]", "6.2"),                     // 2·3.1
        ],
    ),
    // half of the number
    (
        "factor-two-missing",
        [
            ("figure-19", "grad.conv1.weight[0,0,0,0]", "5.25"), // 10.5/2
            ("figure-19", "grad.conv1.weight[0,0,0,1]", "4.75"), // 9.5/2
            ("figure-18", "conv1.z[0,0,0]", "7.5"),              // 15/2
            ("square", "fc1.z[2]", "-0.95"),                     // −1.9/2
            ("figure-18", "conv1.z[0,1,1]", "4.5"),              // 9/2
            ("figure-20", "grad.input[0,1,1]", "-3.5"),          // −7/2
            ("mazur-2-2-2", "grad.fc2.a[0]", "0.371"),           // 0.7414/2
            ("mazur-2-2-2", "grad.fc2.a[1]", "-0.1085"),         // −0.2171/2
            ("square", "fc1.z[0]", "1.55"),                      // 3.1/2
            ("square", "fc1.z[1]", "-0.45"),                     // −0.9/2
        ],
    ),
];
