//! Makes the parts of the API's page that come from Swagger UI as small as they can be carried along.

use std::error::Error;
use std::fs::File;
use std::io::{Cursor, copy};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

const PARTS: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for part in PARTS {
        let of_part = |number: &usize| {
            let name = archive.name_for_index(*number).and_then(Result::ok);
            name.is_some_and(|name| Path::new(&*name).ends_with(Path::new("dist").join(part)))
        };
        let number = (0..archive.len()).find(of_part).ok_or(format!("{part} is not in the archive"))?;
        let mut packed = GzEncoder::new(File::create(folder.join(format!("{part}.gz")))?, Compression::best());
        copy(&mut archive.by_index(number)?, &mut packed)?;
        packed.finish()?;
    }
    Ok(())
}
