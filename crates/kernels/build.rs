//! Finds a system BLAS for the cargo feature `blas` and tells the code which by the cfg `blas`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(blas, values(none(), \"openblas\", \"accelerate\"))");
    #[cfg(feature = "blas")]
    link();
}

#[cfg(feature = "blas")]
fn link() {
    let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let found = match target.as_str() {
        "macos" => {
            println!("cargo::rustc-link-lib=framework=Accelerate");
            Ok("accelerate")
        }
        "linux" => {
            pkg_config::probe_library("openblas").map(|_| "openblas").map_err(|error| error.to_string())
        }
        _ => Err(format!("no system BLAS is known for {target:?}")),
    };
    match found {
        Ok(name) => {
            println!("cargo::rustc-cfg=blas");
            println!("cargo::rustc-cfg=blas=\"{name}\"");
        }
        Err(error) => {
            let error = error.replace('\n', " ");
            println!(
                "cargo::warning=no system BLAS, products stay in Rust (Debian: libopenblas-dev): {error}"
            );
        }
    }
}
