//! Any numbers from the network are few, finite, sorted faces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use padan::sample::yunet::{GridOutput, STRIDES, decode};

fuzz_target!(|bytes: &[u8]| {
    let Some((&[width, confidence], bytes)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let numbers: Vec<f32> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    // Class, object, box and landmarks: 16 numbers for each cell, split over the three grids.
    let cells = numbers.len() / 16 / STRIDES.len();
    if cells == 0 {
        return;
    }
    let grids: Vec<GridOutput> = STRIDES
        .into_iter()
        .zip(numbers.chunks_exact(cells * 16))
        .map(|(stride, part)| GridOutput {
            stride,
            class: &part[..cells],
            object: &part[cells..cells * 2],
            boxes: &part[cells * 2..cells * 6],
            landmarks: &part[cells * 6..],
        })
        .collect();
    let least = f32::from(confidence) / 255.0;
    let faces = decode(&grids, usize::from(width) * 32, least);
    assert!(faces.len() <= 50);
    assert!(
        faces
            .windows(2)
            .all(|pair| pair[0].confidence >= pair[1].confidence)
    );
    for face in &faces {
        assert!((least..=1.0).contains(&face.confidence));
        let rect = face.rect;
        assert!(
            [rect.x, rect.y, rect.width, rect.height]
                .into_iter()
                .all(f32::is_finite)
        );
        assert!(
            face.landmarks
                .points()
                .iter()
                .all(|p| p.x.is_finite() && p.y.is_finite())
        );
    }
});
