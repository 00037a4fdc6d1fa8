//! The built page, held in the binary: `npm ci && npm run build` in this folder makes it anew.

use waystream_connectors::websocket::Asset;

/// Every file of the page.
pub(crate) const ASSETS: [Asset; 6] = [
    Asset {
        path: "index.html",
        content_type: "text/html; charset=utf-8",
        gzip: include_bytes!("dist/index.html.gz"),
    },
    Asset {
        path: "app.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("dist/app.js.gz"),
    },
    Asset {
        path: "app.css",
        content_type: "text/css; charset=utf-8",
        gzip: include_bytes!("dist/app.css.gz"),
    },
    Asset {
        path: "maplibre-gl-worker.mjs",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("dist/maplibre-gl-worker.mjs.gz"),
    },
    Asset {
        path: "land.json",
        content_type: "application/json",
        gzip: include_bytes!("dist/land.json.gz"),
    },
    Asset {
        path: "licenses.txt",
        content_type: "text/plain; charset=utf-8",
        gzip: include_bytes!("dist/licenses.txt.gz"),
    },
];
