//! Samples that are no usable ones.

use std::fs::File;
use std::os::unix::fs::symlink;

use super::{Faces, assert_refused, count, json_of};

#[test]
fn what_is_no_image_fails_to_be_acquired_and_is_a_non_match() {
    let faces = Faces::new("evaluate-no-image");
    let whole = std::fs::read(faces.sample("D/D_0001.jpg")).expect("readable");
    let write = |name, content: &[u8]| std::fs::write(faces.sample(name), content);
    write("A/A_0003.jpg", b"no image").expect("writes");
    write("C/C_0002.png", b"").expect("writes");
    write("D/D_0002.jpg", &whole[..5000]).expect("writes");
    // An image, and nobody in it.
    let grey = image::RgbImage::from_pixel(64, 64, image::Rgb([127; 3]));
    write("D/D_0003.jpg", &crate::support::jpeg(&grey)).expect("writes");
    let answer = json_of(faces.command("evaluate").args(["--fmr", "0.3"]));
    let counts = ["images", "failure_to_acquire"].map(|key| count(&answer, key));
    assert_eq!(counts, [10, 4]);
    // Pairs of one person, by hand: A 3, B 1, C 1, D 3; whole are one of A and one of B.
    let counts = ["genuine", "genuine_lost", "impostor"].map(|key| count(&answer, key));
    assert_eq!(counts, [8, 6, 13]);
    let rates = &answer["at_fmr"]["0.3"];
    assert_eq!(rates["fnmr"], 0.75);
    assert_eq!(count(rates, "false_non_matches"), 6);
    assert_eq!(count(rates, "false_matches"), 3);
}

#[test]
fn a_sample_that_cannot_be_read_ends_the_evaluation_and_is_named() {
    let faces = Faces::new("evaluate-unreadable");
    let path = faces.sample("C/C_0002.jpg");
    // A file that is there, and whose first byte nobody can read, whoever asks.
    symlink("/proc/self/mem", &path).expect("links");
    let evaluate = || {
        let mut command = faces.command("evaluate");
        command.args(["--fmr", "0.3", "--json", "-"]);
        command
    };
    assert_refused(&mut evaluate(), &["cannot read", "C_0002.jpg"]);
    std::fs::remove_file(&path).expect("removes");
    let file = File::create(&path).expect("creates");
    file.set_len(65 << 20).expect("has holes");
    assert_refused(&mut evaluate(), &["cannot read", "C_0002.jpg", "no sample"]);
}
