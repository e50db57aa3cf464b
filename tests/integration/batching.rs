//! The way of an accelerator, with the CPU in its place: the same sessions, threads and batches.

use std::time::Instant;

use padan::embed::FaceEmbedder;

use crate::support::batching::{self, GatedDevice, Order, crops, difference};
use crate::support::{WAIT_MAX, as_picture, full_precision};

#[test]
fn batches_give_what_a_lane_gives() {
    // Other kernels for larger batches round differently.
    batching::assert_batches_give_what_a_lane_gives(&full_precision(), 1e-4);
}

#[test]
fn a_failed_batch_is_an_error_for_all_in_it_or_behind_it_and_the_next_face_is_served() {
    let crops = crops();
    let device = GatedDevice::start(&full_precision());
    let first = device.held(&crops[0]);
    let second = device.waiting(&crops[1]);
    device.order(Order::Fail);
    for call in [first, second] {
        let error = call.join().expect("no panic").expect_err("failed");
        assert_eq!(
            error.to_string(),
            "inference of sface_2021dec failed: the device failed: on purpose"
        );
    }
    let mut handle = device.handle();
    let begun = Instant::now();
    let embedding = loop {
        assert!(begun.elapsed() < WAIT_MAX, "the device is not made again");
        device.order(Order::Run);
        match handle.embed(&crops[2]) {
            Ok(embedding) => break embedding,
            // The worker is being made again.
            Err(error) => assert!(error.cause.contains("made ready again"), "{error}"),
        }
        std::thread::yield_now();
    };
    let expected = device.lane().embed(&crops[2]).expect("embeds");
    assert!(difference(&embedding, &expected) <= 1e-4);
    assert_eq!(device.device.counts().failures, 1);
}

#[test]
fn a_crop_of_another_size_never_reaches_the_device() {
    let device = GatedDevice::start(&full_precision());
    let crop = as_picture(&image::RgbImage::new(96, 112));
    let error = device.handle().embed(&crop).expect_err("refused");
    assert!(error.cause.contains("another size"), "{error}");
    assert!(device.device.counts().batches.is_empty());
}
