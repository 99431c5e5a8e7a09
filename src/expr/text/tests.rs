use super::Slot::{Input, Output, Upstream};
use super::*;
use crate::expr::{LOG, SQRT, SUM, whole};

const A: Expr = Expr::Entry(Input(0));
const T: Expr = Expr::Entry(Input(1));
const ONE: Expr = Expr::Number(1.0);
const DY_TIMES_Y: Expr = Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)]);

#[test]
fn only_necessary_brackets_are_printed() {
    const SOFTMAX: &Primitive = &Primitive::new("softmax");
    // the operands are named by their slots: 0 and 1 for the inputs, and [0] for the whole input 0. So (1−1) is the number 1 minus the input 1
    let text =
        |expr: Expr| expr.text(Notation::Unicode, &mut |slot, is_whole| if is_whole { format!("[{slot}]") } else { slot.to_string() });
    assert_eq!(text(Expr::Sub(&[A, T])), "(0−1)");
    assert_eq!(text(Expr::Div(&[T, A])), "1/0");
    assert_eq!(text(Expr::Div(&[Expr::Sub(&[ONE, T]), Expr::Sub(&[ONE, A])])), "(1−1)/(1−0)");
    assert_eq!(text(Expr::Of(LOG, &[Expr::Sub(&[ONE, A])])), "log(1−0)");
    assert_eq!(text(Expr::Of(LOG, &[Expr::Of(SOFTMAX, &[A, Expr::All(Input(0))])])), "log(softmax(0 | [0]))");
    assert_eq!(text(DY_TIMES_Y), "(dy·y)");
    assert_eq!(text(Expr::Neg(&DY_TIMES_Y)), "(−dy·y)");
    assert_eq!(text(Expr::Mul(&[T, DY_TIMES_Y])), "(1·(dy·y))");
    assert_eq!(text(Expr::Partial(Input(1))), "∂y/∂1");
    assert_eq!(text(Expr::Prime(LOG, &[A])), "log′(0)");
    let power = |base: &str| Primitive::new("^").form(Form::Power).text(&[base.to_owned(), "−2".to_owned()], Notation::Unicode);
    assert_eq!((power("3"), power("−3")), ("3 ^ −2".to_owned(), "(−3) ^ −2".to_owned()));
}

const LESS: &Primitive = &Primitive::new("<=").symbol("≤").form(Form::Infix);

#[test]
fn an_equation_is_written_in_three_notations() {
    let texts = |expr: Expr| {
        [Notation::Unicode, Notation::Ascii, Notation::Latex].map(|notation| {
            let arguments = [Expr::Number(-0.5)];
            expr.equation(notation, &arguments, |slot, _| match slot {
                Input(0) => "a".to_owned(),
                Input(_) => "t".to_owned(),
                _ => letter("δ", notation).into_owned(),
            })
        })
    };
    let half_square =
        Expr::Product(Join::Juxtaposed, &[Expr::Name("½"), Expr::Of(SUM, &[Expr::Square(&Expr::Sub(&[whole::X, whole::W]))])]);
    assert_eq!(texts(half_square), ["½ Σ (a − t)²", "1/2 sum (a - t)^2", r"\tfrac{1}{2} \, \sum {\left(a - t\right)}^{2}"]);
    let share = Expr::Mul(&[whole::SHARE, Expr::Product(Join::Hadamard, &[whole::DY, whole::X])]);
    assert_eq!(texts(share), ["1/n · (δ ∘ a)", "1/n * (e o a)", r"\frac{1}{n} \cdot \left(\delta \circ a\right)"]);
    let entropy = Expr::Neg(&Expr::Of(SUM, &[Expr::Product(Join::Juxtaposed, &[whole::W, Expr::Of(LOG, &[whole::X])])]));
    assert_eq!(texts(entropy), ["−Σ t log a", "-sum t log a", r"-\sum t \, \log a"]);
    let scaled = Expr::Div(&[whole::X, Expr::Sub(&[whole::ONE, Expr::Arg(0)])]);
    assert_eq!(texts(scaled), ["a / (1 − (−0.5))", "a / (1 - (-0.5))", r"\frac{a}{1 - \left(-0.5\right)}"]);
    let rstd = Expr::Div(&[whole::ONE, Expr::Of(SQRT, &[Expr::Add(&[whole::X, Expr::Name("ε")])])]);
    assert_eq!(texts(rstd), ["1 / √(a + ε)", "1 / sqrt(a + E)", r"\frac{1}{\sqrt{a + \varepsilon}}"]);
    let less = Expr::Of(LESS, &[whole::X, Expr::Add(&[whole::W, whole::ONE])]);
    assert_eq!(texts(less), ["a ≤ t + 1", "a <= t + 1", r"a \le t + 1"]);
    let jacobian = Expr::Equal(&[Expr::Indexed(&Expr::Name("J"), "ji"), Expr::PartialOf(&[A, T])]);
    assert_eq!(texts(jacobian), ["Jⱼᵢ = ∂a/∂t", "J_ji = da/dt", r"J_{ji} = \frac{\partial a}{\partial t}"]);
}
