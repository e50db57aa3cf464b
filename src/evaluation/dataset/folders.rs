//! A folder for each person.

use std::ffi::OsStr;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{
    Crossing, Dataset, DatasetError, GENUINE_MAX, SAMPLES_MAX, Sample, counts_of_each_with_each,
};

/// Endings of the samples' names, in lower case.
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// What the draw of samples begins with; another one is another draw.
const SEED: &str = "padan folders 1";

/// A person's name, and the names of the samples, sorted.
type Person = (String, Vec<String>);

pub fn read(images: &Path, impostors_max: u64) -> Result<Dataset, DatasetError> {
    let (mut people, ignored) = list_people(images)?;
    if people.is_empty() {
        return Err(DatasetError::whole(
            images,
            "no samples: each person needs a folder here with JPEG, PNG or WebP files in it",
        ));
    }
    let mut notes = Vec::new();
    if ignored > 0 {
        notes.push(format!(
            "{ignored} files and folders are not read: a sample is a JPEG, PNG or WebP file in a \
             person's folder"
        ));
    }
    notes.extend(draw(&mut people, impostors_max));
    let mut samples = Vec::new();
    let mut names = Vec::new();
    for (person, files) in people {
        let number = u32::try_from(names.len()).unwrap_or(u32::MAX);
        for file in files {
            let name = format!("{person}/{file}");
            let path = images.join(&person).join(&file);
            samples.push((Sample { name, path }, number));
        }
        names.push(person);
    }
    // By the whole name, where `/` comes after some characters.
    samples.sort_unstable_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let (samples, person_of) = samples.into_iter().unzip();
    Ok(Dataset {
        samples,
        people: names,
        knows_people: true,
        person_of,
        listed: Vec::new(),
        folds: None,
        columns: Vec::new(),
        crossing: Crossing::EachWithEach,
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    })
}

/// The people with samples, sorted, and how much else there was.
fn list_people(images: &Path) -> Result<(Vec<Person>, u64), DatasetError> {
    let mut people = Vec::new();
    let (mut ignored, mut count) = (0, 0);
    for (name, is_folder) in entries(images)? {
        if !is_folder {
            ignored += 1;
            continue;
        }
        let mut files = Vec::new();
        for (file, is_folder) in entries(&images.join(&name))? {
            let ending = Path::new(&file).extension().and_then(OsStr::to_str);
            let ending = ending.map(str::to_ascii_lowercase);
            if is_folder || !ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
                ignored += 1;
            } else {
                files.push(file);
            }
        }
        count += files.len();
        if count > SAMPLES_MAX {
            let problem = format!("more than {SAMPLES_MAX} samples: name a folder with fewer");
            return Err(DatasetError::whole(images, problem));
        }
        if !files.is_empty() {
            files.sort_unstable();
            people.push((name, files));
        }
    }
    people.sort_unstable();
    Ok((people, ignored))
}

/// Names in a folder, and whether each is a folder; without hidden ones. What is neither a file nor
/// a folder, or a link to nothing, is not there.
fn entries(folder: &Path) -> Result<Vec<(String, bool)>, DatasetError> {
    let unreadable = |cause| DatasetError::unreadable(folder, cause);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let Some(name) = name
            .to_str()
            .filter(|name| !name.contains(char::is_control))
        else {
            let problem = "its name is not UTF-8, or has a control character in it: rename it";
            return Err(DatasetError::whole(&entry.path(), problem));
        };
        if name.starts_with('.') {
            continue;
        }
        // Follows links, as reading does.
        let Ok(metadata) = std::fs::metadata(entry.path()) else {
            continue;
        };
        if metadata.is_file() || metadata.is_dir() {
            found.push((name.to_owned(), metadata.is_dir()));
        }
        if found.len() > SAMPLES_MAX {
            let problem = format!("more than {SAMPLES_MAX} names: name a folder with fewer");
            return Err(DatasetError::whole(folder, problem));
        }
    }
    Ok(found)
}

/// Draws samples until the comparisons are few enough; says so if it had to.
fn draw(people: &mut Vec<Person>, impostors_max: u64) -> Option<String> {
    let sizes: Vec<u64> = people.iter().map(|(_, files)| files.len() as u64).collect();
    let fits = |people: usize, each: u64| {
        let sizes: Vec<u64> = sizes.iter().take(people).map(|it| *it.min(&each)).collect();
        let counts = counts_of_each_with_each(&sizes);
        counts.impostor <= impostors_max && counts.genuine <= GENUINE_MAX
    };
    let largest = sizes.iter().copied().max().unwrap_or(0);
    if fits(people.len(), largest) {
        return None;
    }
    let whole = people.len();
    if fits(whole, 2) {
        let each = last_that(2, largest, |each| fits(whole, each));
        for (person, files) in people {
            keep(files, usize::try_from(each).unwrap_or(usize::MAX), person);
        }
        return Some(format!(
            "too many comparisons for all samples: at most {each} of each person were drawn"
        ));
    }
    // Which people are drawn must not hang on how many samples they have, and their sizes must be
    // looked at in the order in which they are drawn.
    people.sort_by_cached_key(|(person, _)| rank("", person));
    for (person, files) in people.iter_mut() {
        keep(files, 2, person);
    }
    let sizes: Vec<u64> = people.iter().map(|(_, files)| files.len() as u64).collect();
    let fits = |people: u64| {
        let people = usize::try_from(people).unwrap_or(usize::MAX);
        let sizes: Vec<u64> = sizes.iter().take(people).copied().collect();
        counts_of_each_with_each(&sizes).impostor <= impostors_max
    };
    let drawn = last_that(1, whole as u64, fits);
    people.truncate(usize::try_from(drawn).unwrap_or(usize::MAX));
    people.sort_unstable();
    Some(format!(
        "too many comparisons for all samples: {drawn} of {whole} people were drawn, and at most 2 \
         samples of each"
    ))
}

/// The largest number from `low` up to `high` that fits, where `low` does and larger ones fit less.
fn last_that(low: u64, high: u64, fits: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (low, high);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// Draws `count` of a person's samples; the same ones each time.
fn keep(files: &mut Vec<String>, count: usize, person: &str) {
    if files.len() > count {
        files.sort_by_cached_key(|file| rank(person, file));
        files.truncate(count);
        files.sort_unstable();
    }
}

/// An order that nobody chose.
fn rank(person: &str, file: &str) -> [u8; 32] {
    Sha256::digest(format!("{SEED}\0{person}\0{file}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(sizes: &[usize]) -> Vec<Person> {
        let files = |size: usize| (0..size).map(|n| format!("{n:03}.jpg")).collect();
        let numbered = sizes.iter().enumerate();
        numbered
            .map(|(n, size)| (format!("p{n:03}"), files(*size)))
            .collect()
    }

    fn impostors(people: &[Person]) -> u64 {
        let sizes: Vec<u64> = people.iter().map(|(_, files)| files.len() as u64).collect();
        counts_of_each_with_each(&sizes).impostor
    }

    #[test]
    fn nothing_is_drawn_when_all_comparisons_fit() {
        let mut all = people(&[3, 1, 40]);
        let before = all.clone();
        assert_eq!(draw(&mut all, impostors(&before)), None);
        assert_eq!(all, before);
    }

    #[test]
    fn people_are_kept_before_samples() {
        let mut drawn = people(&[3, 1, 40, 7]);
        let whole = drawn.clone();
        let note = draw(&mut drawn, 60).expect("too many");
        assert_eq!(drawn.len(), 4);
        assert!(impostors(&drawn) <= 60, "{drawn:?}");
        let each = drawn.iter().map(|(_, files)| files.len()).max().unwrap();
        assert!(note.contains(&format!("at most {each} ")), "{note}");
        // One more of each would not have fitted.
        let mut more = whole.clone();
        for (_, files) in &mut more {
            files.truncate(each + 1);
        }
        assert!(impostors(&more) > 60);
        for ((name, files), (_, all)) in drawn.iter().zip(&whole) {
            assert!(files.iter().all(|file| all.contains(file)), "{name}");
        }
    }

    #[test]
    fn the_draw_is_the_same_each_time_and_not_the_first_names() {
        let whole = people(&[5; 200]);
        let (mut one, mut other) = (whole.clone(), whole.clone());
        other.reverse();
        let note = draw(&mut one, 1000);
        assert!(note.is_some_and(|note| note.contains("of 200 people")));
        draw(&mut other, 1000);
        assert_eq!(one, other);
        assert!(impostors(&one) <= 1000 && one.len() > 20);
        assert_ne!(
            one.last().map(|it| &it.0),
            whole.get(one.len() - 1).map(|it| &it.0)
        );
        assert!(one.iter().any(|(_, files)| files[0] != "000.jpg"));
    }
}
