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
    if cfg!(target_arch = "wasm32") { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) }
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
