//! The style sheet, the scripts and the icon of the pages. The name of each contains a hash of its
//! content, so that browsers may cache it for ever.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

/// A file that pages load.
#[derive(Debug)]
pub struct Asset {
    /// Its name, with a hash of its content.
    pub name: String,
    /// Its `Content-Type`.
    pub media_type: &'static str,
    /// Its content.
    pub content: &'static str,
}

impl Asset {
    fn new(stem: &str, extension: &str, media_type: &'static str, content: &'static str) -> Self {
        let hash = xxh3_64(content.as_bytes());
        Self { name: format!("{stem}-{hash:016x}.{extension}"), media_type, content }
    }
}

pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("page", "css", "text/css; charset=utf-8", include_str!("../../assets/page.css"))
});

/// The scripts, in the order in which pages run them.
pub(super) static SCRIPTS: LazyLock<[Asset; 6]> = LazyLock::new(|| {
    let media_type = "text/javascript; charset=utf-8";
    [
        ("change", include_str!("../../assets/change.js")),
        ("hold", include_str!("../../assets/hold.js")),
        ("lamp", include_str!("../../assets/lamp.js")),
        ("page", include_str!("../../assets/page.js")),
        ("controls", include_str!("../../assets/controls.js")),
        ("removal", include_str!("../../assets/removal.js")),
    ]
    .map(|(stem, content)| Asset::new(stem, "js", media_type, content))
});

pub(super) static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("icon", "svg", "image/svg+xml", include_str!("../../assets/icon.svg"))
});

/// The icon while the server does not answer.
pub(super) static LOST_ICON: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("../../assets/icon-lost.svg");
    Asset::new("icon-lost", "svg", "image/svg+xml", content)
});

/// Returns the asset with this name.
#[must_use]
pub fn asset(name: &str) -> Option<&'static Asset> {
    let others: [&'static Asset; 3] = [&STYLE, &ICON, &LOST_ICON];
    others.into_iter().chain(SCRIPTS.iter()).find(|asset| asset.name == name)
}
