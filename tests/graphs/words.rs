//! A function with the name that another library uses gets an error message with gradstep's name.

use gradstep::scenario::{Limits, Source, read};

#[test]
fn a_name_of_another_library_has_a_message_with_our_name() {
    for (call, help) in [
        ("sigma(x)", "it is called \"sigmoid\" here"),
        ("x.logistic()", "it is called \"sigmoid\" here"),
        ("torch.log2(x)", "write log(x) / log(2)"),
        ("np.sinh(x)", "write (exp(x) - exp(-x)) / 2"),
        ("asin(x)", "write it with exp and log"),
        ("torch.inv(x)", "write it out in products and sums"),
        ("nn.Linear(3, 2)", "write x @ W.T + b, with W and b under [graph.inputs]"),
        ("nn.ReLU()", "write relu(x)"),
        ("nn.MaxPool2d(2)(x)", "write max_pool2d(x, 2)"),
        ("nn.LeakyReLU(0.1)(x)", "write leaky_relu(x, 0.01)"),
        ("nn.BCELoss()(x, x)", "write binary_cross_entropy(p, target)"),
        ("x.median()", "write mean, max(dim)"),
        ("torch.Generator()", "leave the line out"),
        ("softmx(x, 0)", "did you mean \"softmax\"?"),
    ] {
        let text = format!("title = \"t\"\n[graph]\ninputs = {{ x = [1, 2] }}\nnodes = \"J = ({call}).sum()\"\n");
        let source = Source { path_shown: "t.toml".into(), name: "t".into(), text };
        let message = read(source, Limits::default()).expect_err(call).to_string();
        assert!(message.contains(help), "{call}: {message}");
    }
}
