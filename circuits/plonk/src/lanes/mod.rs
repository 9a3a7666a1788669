//! Field arithmetic on eight elements at a time, with AVX-512's 52-bit multipliers (IFMA), where the
//! processor has them; everything here has a scalar twin next to its caller.
//!
//! This is the only module with unsafe code: its functions are safe to call with an [`Ifma`], which
//! exists only where the instructions do.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod element;
#[cfg(target_arch = "x86_64")]
mod fft;
#[cfg(not(target_arch = "x86_64"))]
mod none;
#[cfg(target_arch = "x86_64")]
mod points;
#[cfg(target_arch = "x86_64")]
mod program;
#[cfg(target_arch = "x86_64")]
mod rows;

#[cfg(target_arch = "x86_64")]
pub use fft::Twiddles;
#[cfg(not(target_arch = "x86_64"))]
pub use none::{Registers, Twiddles};
#[cfg(target_arch = "x86_64")]
pub use program::Registers;

/// Shows that the processor has the instructions.
#[derive(Clone, Copy, Debug)]
pub struct Ifma(());

impl Ifma {
    /// Asks the processor (once: the standard library remembers the answer).
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma") {
            return Some(Self(()));
        }
        None
    }
}
