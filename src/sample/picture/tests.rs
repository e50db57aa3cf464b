use super::*;

/// 3×2: the red channel counts pixels.
fn counted() -> Picture {
    Picture::new(3, 2, (0..6).flat_map(|n| [n, 0, 0]).collect()).expect("sizes agree")
}

/// What a window shows, in buffers that were never used.
fn seen((left, top): (i32, i32), reach: u32, side: u32, picture: &Picture) -> Picture {
    let (mut target, mut step) = (Picture::default(), Picture::default());
    let window = Window {
        left,
        top,
        reach,
        side,
        border: 9,
    };
    let done = picture.window_into(window, &mut target, &mut step);
    done.expect("works");
    target
}

fn red_at(picture: &Picture, x: u32, y: u32) -> u8 {
    picture.rgb()[((y * picture.width() + x) * 3) as usize]
}

#[test]
fn a_picture_needs_exactly_its_bytes() {
    assert!(Picture::new(2, 2, vec![0; 11]).is_none());
    assert!(Picture::new(0, 2, vec![]).is_none());
    assert!(Picture::new(2, 2, vec![0; 12]).is_some());
}

#[test]
fn unturn_undoes_turned() {
    let picture = counted();
    for quarters in 0..4 {
        let mut buffer = Picture::filled(7, 7, [99; 3]);
        let turned = picture.turned(quarters, &mut buffer).expect("turns");
        for y in 0..turned.height() {
            for x in 0..turned.width() {
                // Pixel centres map to pixel centres.
                let centre = Point::new(x as f32 + 0.5, y as f32 + 0.5);
                let there = picture.unturn(quarters, centre);
                let value = red_at(&picture, there.x as u32, there.y as u32);
                assert_eq!(red_at(turned, x, y), value, "{quarters} {x} {y}");
            }
        }
    }
}

#[test]
fn debug_shows_no_pixels() {
    assert_eq!(format!("{:?}", counted()), "Picture(3×2)");
}

#[test]
fn a_window_is_scaled_and_has_a_border_outside() {
    let left_red = (0..16 * 16).flat_map(|n| if n % 16 < 8 { [200, 0, 0] } else { [0; 3] });
    let picture = Picture::new(16, 16, left_red.collect()).expect("sizes agree");
    let inside = seen((4, 4), 8, 2, &picture);
    assert_eq!(inside.rgb(), [200, 0, 0, 0, 0, 0].repeat(2));
    for corner in [
        (-40, 0),
        (0, -40),
        (17, 0),
        (0, i32::MAX - 50),
        (i32::MIN, 0),
    ] {
        let outside = seen(corner, 16, 4, &picture);
        assert_eq!(outside.rgb(), [9; 48], "{corner:?}");
    }
    let enlarged = seen((0, 0), 4, 8, &picture);
    assert_eq!(red_at(&enlarged, 2, 2), 200);
}

#[test]
fn resizing_keeps_a_flat_colour() {
    let flat = Picture::filled(10, 10, [7, 8, 9]);
    assert_eq!(
        flat.resized(3, 4).expect("resizes").rgb(),
        [7, 8, 9].repeat(12)
    );
    assert_eq!(
        flat.resized(13, 14).expect("resizes").rgb(),
        [7, 8, 9].repeat(182)
    );
    assert_eq!(flat.resized(1, 1).expect("resizes").rgb(), [7, 8, 9]);
}

#[test]
fn shrinking_averages_all_pixels() {
    // Columns of 0 and 200 in turn: whoever skips pixels sees only one of them.
    let stripes = (0..64 * 48).flat_map(|n| [if n % 2 == 0 { 0 } else { 200 }; 3]);
    let picture = Picture::new(64, 48, stripes.collect()).expect("sizes agree");
    for (width, height) in [(32, 24), (16, 12), (12, 9), (10, 7)] {
        let small = picture.resized(width, height).expect("resizes");
        let near = |value: &u8| (95..=105).contains(value);
        assert!(small.rgb().iter().all(near), "{width}×{height}");
    }
}

#[test]
fn a_buffer_that_held_another_picture_changes_nothing() {
    let noise = |n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8;
    let picture = Picture::new(64, 48, (0..64 * 48 * 3).map(noise).collect());
    let picture = picture.expect("sizes agree");
    let matrix = [[0.7, 0.1, -3.0], [-0.1, 0.7, 4.0]];
    let mut results = Vec::new();
    for (width, height) in [(1, 1), (3, 200), (200, 3), (90, 90)] {
        let used = || Picture::filled(width, height, [201; 3]);
        for size in [(64, 48), (32, 24), (12, 9), (10, 7), (100, 90)] {
            let (mut target, mut step) = (used(), used());
            let done = picture.resize_into(size, &mut target, &mut step);
            done.expect("resizes");
            results.push(target);
        }
        let mut target = used();
        let done = picture.warp_into(matrix, (40, 30), 9, &mut target);
        done.expect("warps");
        results.push(target);
        for quarters in 1..4 {
            let mut buffer = used();
            let turned = picture.turned(quarters, &mut buffer).expect("turns");
            results.push(turned.clone());
        }
        let mut grey = vec![201; (width * height) as usize];
        picture.luminance_into(&mut grey).expect("converts");
        let of_three = grey.iter().flat_map(|value| [*value; 3]).collect();
        results.push(Picture::new(64, 48, of_three).expect("one byte a pixel"));
    }
    let (first, others) = results.split_at(results.len() / 4);
    assert!(others.chunks(first.len()).all(|other| other == first));
}

#[test]
fn a_wiped_buffer_holds_nothing_of_any_picture_it_held() {
    let mut buffer = Picture::filled(20, 10, [201; 3]);
    buffer.reshape(4, 5);
    assert_eq!(buffer.rgb(), [201; 60]);
    buffer.wipe();
    assert_eq!(buffer.rgb(), [0; 60]);
    // The rest of the larger one lies behind it: growing again without writing would show it.
    assert_eq!(buffer.rgb.len(), 600, "the memory is kept");
    buffer.reshape(20, 10);
    assert_eq!(buffer.rgb(), [0; 600]);
}

#[test]
fn a_buffer_of_a_large_picture_is_given_back() {
    let side = 1 << 10;
    let mut buffer = Picture::filled(side, side, [201; 3]);
    buffer.reshape(4, 5);
    buffer.wipe();
    assert_eq!(buffer, Picture::default());
    assert!(buffer.rgb.capacity() < 60);
}
