//! What all panes draw: the scene of the step, the state around it, and the colours.

use std::cell::OnceCell;
use std::ops::Deref;

use crate::app::{Document, State, Stepper};
use crate::expr::Notation;
use crate::scene::Scene;
use crate::ui::RenderOptions;
use crate::ui::operand::Operand;
use crate::ui::theme::{self, Theme};

/// The step on the screen and what surrounds it. All numbers come from the scene, to which a view dereferences.
#[derive(Debug)]
pub struct View<'a> {
    /// The state.
    pub state: &'a State,
    /// The stepper.
    pub stepper: &'a Stepper,
    /// The open scenario.
    pub document: &'a Document,
    /// The step.
    pub scene: Scene<'a>,
    /// The colours.
    pub theme: Theme,
    /// The notation of equations.
    pub notation: Notation,
    matrices: OnceCell<Vec<Operand>>,
}

impl<'a> View<'a> {
    /// The view of a state; `None` when no scenario is open.
    #[must_use]
    pub fn of(state: &'a State, look: RenderOptions) -> Option<Self> {
        let stepper = state.stepper()?;
        let document = &*stepper.document;
        Some(Self {
            state,
            stepper,
            document,
            scene: document.scene(stepper.step)?,
            theme: look.theme,
            notation: look.notation(),
            matrices: OnceCell::new(),
        })
    }

    /// The matrices of the step, its operands and the result: made once for a frame.
    pub(super) fn matrices(&self, make: impl FnOnce() -> Vec<Operand>) -> &[Operand] {
        self.matrices.get_or_init(make)
    }

    /// The colour of the pass: forward grey, backward blue.
    #[must_use]
    pub fn pass_role(&self) -> theme::Role {
        if self.backward() { theme::Role::Backward } else { theme::Role::Forward }
    }
}

impl<'a> Deref for View<'a> {
    type Target = Scene<'a>;

    fn deref(&self) -> &Scene<'a> {
        &self.scene
    }
}
