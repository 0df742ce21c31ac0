//! What this build runs on.

use serde::Serialize;

#[derive(Serialize)]
struct Info {
    version: &'static str,
    simd: &'static str,
    blas: &'static str,
    threads: usize,
    arch: &'static str,
    os: &'static str,
}

/// Threads that a pass over many samples may use.
pub(crate) fn threads() -> usize {
    #[cfg(not(target_arch = "wasm32"))]
    return std::thread::available_parallelism().map_or(1, usize::from);
    #[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
    return 1 + nhgd_kernels::helpers::count();
    #[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
    1
}

/// Version, SIMD level, BLAS, threads and target, as JSON.
pub fn info() -> String {
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        simd: nhgd_kernels::simd::level(),
        blas: nhgd_kernels::blas(),
        threads: threads(),
        arch: std::env::consts::ARCH,
        os: std::env::consts::OS,
    };
    serde_json::to_string(&info).unwrap_or_default()
}
