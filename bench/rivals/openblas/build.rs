//! Links OpenBLAS where pkg-config finds it.

fn main() {
    napi_build::setup();
    if let Err(error) = pkg_config::probe_library("openblas") {
        panic!("OpenBLAS is not installed (Debian: apt install libopenblas-dev): {error}");
    }
}
