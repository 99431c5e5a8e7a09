//! The random choices of a generator, as a list of numbers that proptest can shrink. The generator reads one number for each choice, and 0 is always the
//! simplest choice, so a list of zeros gives the simplest network.

use proptest::prelude::*;

/// The choices that a generator reads. After the end of the list every choice is 0.
#[derive(Clone, Debug)]
pub struct Choices {
    /// The list.
    words: Vec<u16>,
    /// The index of the next choice in the list.
    at: usize,
    /// The state of the generator of the tensors' entries.
    noise: u64,
}

/// The kind of numbers that fill a random tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Numbers of moderate size, almost all different.
    Smooth,
    /// Small whole numbers and halves, with zeros of both signs and many ties.
    Sharp,
    /// Numbers as in `Smooth`, and some that saturate every activation.
    Large,
    /// Numbers as in `Sharp`, and some whose products overflow or underflow.
    Extreme,
    /// 0 and 1.
    Mask,
}

impl Choices {
    /// One of `0..n`.
    pub fn pick(&mut self, n: usize) -> usize {
        let word = self.words.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(word) % n
    }

    /// Returns `true` with the probability 1/`n`, but never after the end of the list.
    pub fn one_in(&mut self, n: usize) -> bool {
        let has_ended = self.at >= self.words.len();
        self.pick(n) == n - 1 && !has_ended
    }

    /// One of the options.
    pub fn choose<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.pick(options.len())]
    }

    /// A random number for an entry of a tensor. It does not come from the list, because tensors are long.
    pub fn number(&mut self, flavour: Flavour) -> f64 {
        self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = u32::try_from(self.noise >> 33).expect("31 bits");
        let among = |options: &[f64]| options[draw as usize % options.len()];
        match flavour {
            Flavour::Large if draw.is_multiple_of(6) => [40.0, -40.0, 1000.0, -1000.0][draw as usize / 6 % 4],
            Flavour::Smooth | Flavour::Large => (f64::from(draw % 20_001) - 10_000.0) / 8_192.0,
            Flavour::Mask => among(&[1.0, 0.0]),
            Flavour::Sharp => among(&[1.0, -1.0, 0.0, -0.0, 2.0, -2.0, 0.5, -0.5, 3.0, 0.1]),
            Flavour::Extreme => among(&[1.0, -1.0, 0.0, -0.0, 0.5, 1000.0, -1000.0, 0.3, -0.7, 30.0, -1e-300, 1e200]),
        }
    }
}

pub fn choices() -> impl Strategy<Value = Choices> {
    (prop::collection::vec(any::<u16>(), 0..120), any::<u32>()).prop_map(|(words, noise)| Choices {
        words,
        at: 0,
        noise: u64::from(noise).wrapping_mul(0x9E37_79B9_7F4A_7C15),
    })
}
