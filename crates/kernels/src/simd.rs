//! The one place where an instruction set is chosen.

#[cfg(not(target_arch = "wasm32"))]
use pulp::{Arch, WithSimd};

/// Runs `op` on the best instruction set of this machine, or on the one that a WebAssembly module is compiled for.
///
/// An `op` is a struct whose `with_simd` is `#[inline(always)]`, and so is what it calls: only then is it compiled
/// for each instruction set, its plain loops vectorised. Closures are not always inlined, nor are those of `array::map`.
#[cfg(not(target_arch = "wasm32"))]
#[inline]
pub fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    arch().dispatch(op)
}

#[cfg(target_arch = "wasm32")]
pub use module::dispatch;

/// The instruction set that [`dispatch`] uses: `"avx512"`, `"avx2"`, `"neon"`, `"relaxed"`, `"simd128"` or `"scalar"`.
pub fn level() -> &'static str {
    #[cfg(target_arch = "wasm32")]
    return module::LEVEL;
    #[cfg(not(target_arch = "wasm32"))]
    match arch() {
        Arch::Scalar => "scalar",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "avx2",
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "avx512",
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => "neon",
        #[allow(unreachable_patterns)]
        _ => "scalar",
    }
}

/// WebAssembly detects no features: each module is for one instruction set, and the loader chooses the module.
#[cfg(target_arch = "wasm32")]
mod module {
    use pulp::{Simd, WithSimd};

    #[cfg(not(target_feature = "simd128"))]
    pub(super) const LEVEL: &str = "scalar";
    #[cfg(all(target_feature = "simd128", not(target_feature = "relaxed-simd")))]
    pub(super) const LEVEL: &str = "simd128";
    #[cfg(target_feature = "relaxed-simd")]
    pub(super) const LEVEL: &str = "relaxed";

    /// Never inlined: further copies of an op would be a tenth of the module and gain nothing.
    #[inline(never)]
    pub fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
        #[cfg(not(target_feature = "simd128"))]
        let simd = Some(pulp::Scalar);
        #[cfg(all(target_feature = "simd128", not(target_feature = "relaxed-simd")))]
        let simd = pulp::wasm::Simd128::try_new();
        #[cfg(target_feature = "relaxed-simd")]
        let simd = pulp::wasm::RelaxedSimd::try_new();
        Simd::vectorize(simd.expect("the module is compiled for it"), op)
    }
}

/// Requests the memory of `x` ahead of its use.
#[inline(always)]
pub(crate) fn prefetch<T>(x: &[T]) {
    for line in (0..size_of_val(x)).step_by(64) {
        prefetch_line(x.as_ptr().wrapping_byte_add(line));
    }
}

/// Requests the cache line of `at`, which may lie beyond its slice. Does nothing off x86-64.
#[inline(always)]
pub(crate) fn prefetch_line<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint that neither faults nor changes memory, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(not(any(test, target_arch = "wasm32")))]
#[inline(always)]
fn arch() -> Arch {
    Arch::new() // detected once, then an atomic load
}

#[cfg(test)]
pub(crate) use each::{arch, on_each_level};

/// Tests run a kernel on every instruction set that the machine has.
#[cfg(test)]
mod each {
    use std::cell::Cell;

    use pulp::Arch;

    thread_local!(static FORCED: Cell<Option<Arch>> = const { Cell::new(None) });

    pub(crate) fn arch() -> Arch {
        FORCED.get().unwrap_or_default()
    }

    fn available() -> Vec<Arch> {
        let mut all = vec![Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            all.push(Arch::V3(v3));
        }
        match Arch::new() {
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => {}
            best => all.push(best),
        }
        all
    }

    /// Calls `body` once per instruction set; kernels called on this thread meanwhile use that set.
    pub(crate) fn on_each_level(mut body: impl FnMut(&'static str)) {
        for arch in available() {
            FORCED.set(Some(arch));
            body(super::level());
        }
        FORCED.set(None);
    }
}
