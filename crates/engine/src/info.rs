//! What this build runs on.

use nhgd_settings::{object, text};

/// Threads that this process may run at once: its cores by affinity and control group, or the helpers of the memory.
fn threads() -> usize {
    #[cfg(not(target_arch = "wasm32"))]
    return std::thread::available_parallelism().map_or(1, usize::from);
    #[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
    return 1 + nhgd_kernels::helpers::count();
    #[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
    1
}

/// Version, SIMD level, BLAS, threads and target, as JSON.
pub fn info() -> String {
    text(&object(vec![
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("simd", nhgd_kernels::simd::level().into()),
        ("blas", nhgd_kernels::blas().into()),
        ("threads", threads().into()),
        ("arch", std::env::consts::ARCH.into()),
        ("os", std::env::consts::OS.into()),
    ]))
}
