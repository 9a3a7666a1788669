//! Names the code that circuits are made by: `CIRCUITS_HASH`. Whoever remembers of a key that it was made here remembers by
//! which code, since another may lay out another circuit for the same configuration.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    // The lock file names the libraries; a crate on its own has none.
    let lock = Path::new("../Cargo.lock");
    let mut files = vec![PathBuf::from("Cargo.toml")];
    files.extend(lock.exists().then(|| lock.to_path_buf()));
    sources(Path::new("src"), &mut files)?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        file.hash(&mut hasher);
        fs::read(file)?.hash(&mut hasher);
    }
    println!("cargo:rustc-env=CIRCUITS_HASH={:016x}", hasher.finish());
    println!("cargo:rerun-if-changed=src");
    for file in files {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    Ok(())
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
