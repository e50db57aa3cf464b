//! JPEG decoders side by side, in turn and in one run: `image` as padan uses it, `zune-jpeg`
//! direct, `jpeg-decoder` in full and reduced, and padan up to the faces. All on one thread. What
//! padan reduces, and from which size on, follows from this table
//! (`padan::sample::decode::REDUCED_PIXELS_MIN`).

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};
use padan::model::YunetDetector;
use padan::sample::SampleRole;
use padan::sample::decode::{ImageLimits, Reduction, decode_at};
use padan::sample::detect::{FaceChoice, Workspace, locate};
use serde_json::{Value, json};
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::support::models::Models;
use super::support::pictures;
use super::support::report::{Report, number, right, table};
use super::support::statistics::{median, percentile};

/// Runs of each decoder; one of each in turn, so that noise hits all.
const ROUNDS: usize = 25;

/// What a photograph is saved with.
const QUALITY: u8 = 85;

/// One picture of the table.
struct Subject {
    name: String,
    jpeg: Bytes,
}

impl Subject {
    fn new(name: &str, jpeg: Bytes) -> Self {
        let name = format!("{name}, {} KB", jpeg.len() / 1000);
        Self { name, jpeg }
    }
}

/// One way to read a picture.
struct Way<'a> {
    name: &'static str,
    read: Box<dyn FnMut() + 'a>,
}

/// Measures every decoder on every picture.
pub fn measure(models: &Models, report: &mut Report) {
    take_this_thread_alone();
    let mut rows = table([
        "picture",
        "decoder, 1 thread",
        "median CPU ms",
        "least",
        "90 %",
    ]);
    let mut figures = Vec::new();
    let detector = RefCell::new((models.detector(), Workspace::default()));
    for subject in subjects() {
        let mut ways = decoders(&subject.jpeg);
        ways.extend(with_faces(&detector, &subject.jpeg));
        let mut times = vec![Vec::with_capacity(ROUNDS); ways.len()];
        for way in &mut ways {
            (way.read)();
        }
        for _ in 0..ROUNDS {
            for (way, times) in ways.iter_mut().zip(&mut times) {
                let started = processor_time();
                (way.read)();
                let took = processor_time().saturating_sub(started);
                times.push(took.as_secs_f64() * 1e3);
            }
        }
        for (way, times) in ways.iter().zip(&times) {
            let [least, slow] = [0.0, 0.9].map(|share| percentile(times, share));
            let median = median(times);
            rows.add_row([
                right(subject.name.clone()),
                way.name.into(),
                number(median, 2),
                number(least, 2),
                number(slow, 2),
            ]);
            figures.push(json!({
                "picture": subject.name, "bytes": subject.jpeg.len(), "decoder": way.name,
                "median_cpu_ms": median, "least_cpu_ms": least, "p90_cpu_ms": slow, "runs": ROUNDS,
            }));
        }
    }
    report.add("decoders", rows, Value::from(figures));
}

/// What this thread has used of a processor. Time on the clock would count the neighbours', too.
fn processor_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.try_into().expect("not negative")
}

/// The first reduced picture keeps the work of `jpeg-decoder` on its thread, as on a lane; without
/// it, the crate would take all cores.
fn take_this_thread_alone() {
    let decoded = decode_at(
        &pictures::selfie(),
        &ImageLimits::default(),
        Reduction::Half,
    );
    assert_eq!(decoded.expect("decodes").reduction, Reduction::Half);
    assert_eq!(rayon::current_num_threads(), 1);
}

/// The standard selfie, and large pictures made from it: enlarged (smooth: few bytes for its
/// pixels) and laid side by side (as much detail in each pixel as the selfie has). The encoder of
/// `image` keeps colour in full, where phones halve it: the harder case for a reduction.
fn subjects() -> Vec<Subject> {
    let selfie = image::load_from_memory(&pictures::selfie()).expect("decodes");
    let selfie = selfie.into_rgb8();
    let tiled = |width, height| {
        let at = |x, y| *selfie.get_pixel(x % selfie.width(), y % selfie.height());
        encoded(&RgbImage::from_fn(width, height, at))
    };
    let enlarged = imageops::resize(&selfie, 4000, 3000, FilterType::CatmullRom);
    vec![
        Subject::new("selfie 1280x960", pictures::selfie()),
        Subject::new("tiled 2560x1920", tiled(2560, 1920)),
        Subject::new("tiled 3840x2560", tiled(3840, 2560)),
        Subject::new("enlarged 4000x3000", encoded(&enlarged)),
        Subject::new("tiled 4000x3000", tiled(4000, 3000)),
    ]
}

fn encoded(picture: &RgbImage) -> Bytes {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    picture.write_with_encoder(encoder).expect("encodes");
    bytes.into()
}

fn way<'a>(name: &'static str, read: impl FnMut() + 'a) -> Way<'a> {
    let read = Box::new(read);
    Way { name, read }
}

fn decoders(jpeg: &Bytes) -> Vec<Way<'_>> {
    let scaled = |name, factor: u16| {
        let read = move || drop(black_box(by_jpeg_decoder(jpeg, factor)));
        way(name, read)
    };
    let padan = |name, reduction: Reduction| {
        let read = move || {
            let decoded = decode_at(jpeg, &ImageLimits::default(), reduction).expect("decodes");
            assert_eq!(black_box(decoded).reduction, reduction, "{name}");
        };
        way(name, read)
    };
    vec![
        way("image", || drop(black_box(by_image(jpeg)))),
        way("zune-jpeg", || drop(black_box(by_zune(jpeg)))),
        scaled("jpeg-decoder", 1),
        scaled("jpeg-decoder, 1/2", 2),
        scaled("jpeg-decoder, 1/4", 4),
        scaled("jpeg-decoder, 1/8", 8),
        padan("padan", Reduction::None),
        padan("padan, 1/2", Reduction::Half),
        padan("padan, 1/4", Reduction::Quarter),
    ]
}

fn by_image(jpeg: &Bytes) -> Vec<u8> {
    let decoder = image::codecs::jpeg::JpegDecoder::new(std::io::Cursor::new(jpeg));
    let image = DynamicImage::from_decoder(decoder.expect("a JPEG"));
    image.expect("decodes").into_rgb8().into_raw()
}

fn by_zune(jpeg: &Bytes) -> Vec<u8> {
    let mut decoder = zune_jpeg::JpegDecoder::new(ZCursor::new(jpeg.as_ref()));
    decoder.decode().expect("decodes")
}

fn by_jpeg_decoder(jpeg: &Bytes, factor: u16) -> Vec<u8> {
    let mut decoder = jpeg_decoder::Decoder::new(jpeg.as_ref());
    decoder.read_info().expect("a JPEG");
    let info = decoder.info().expect("was read");
    let [width, height] = [info.width, info.height].map(|side| side.div_ceil(factor));
    decoder.scale(width, height).expect("scales");
    decoder.decode().expect("decodes")
}

/// From bytes to faces. A whole picture costs more than its decoding: every pass shrinks it.
fn with_faces<'a>(
    detector: &'a RefCell<(YunetDetector, Workspace)>,
    jpeg: &'a Bytes,
) -> Vec<Way<'a>> {
    let at = |name, reduction| {
        let read = move || {
            let decoded = decode_at(jpeg, &ImageLimits::default(), reduction).expect("decodes");
            let (detector, views) = &mut *detector.borrow_mut();
            let (role, choice) = (SampleRole::Probe, FaceChoice::Largest);
            let found = locate(detector, views, &decoded.picture, role, choice);
            assert!(black_box(found).expect("detects").selected.is_some());
        };
        way(name, read)
    };
    vec![
        at("padan, and faces", Reduction::None),
        at("padan, 1/2, and faces", Reduction::Half),
        at("padan, 1/4, and faces", Reduction::Quarter),
    ]
}
