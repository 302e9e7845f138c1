//! Images with a label each: what a classifier of images learns from.

use std::path::PathBuf;

use super::read::{MAX_IMAGE_BYTES, image};
use super::{Image, PixelConfig, idx};
use crate::DataError;
use crate::error::some;
use crate::files::Files;
use crate::labels::{label_numbers, sorted_labels};
use crate::parallel::is_held_out;

/// The files of a folder that are read.
const EXTENSIONS: [&str; 8] = ["png", "jpg", "jpeg", "pnm", "ppm", "pgm", "pbm", "pam"];

/// An image and the class it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledImage {
    /// What is seen.
    pub image: Image,
    /// The number of its label in [`LabelledImages::labels`].
    pub label: usize,
}

/// Images with a label each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledImages {
    /// The images, in the order of their files.
    pub images: Vec<LabelledImage>,
    /// The names of the labels. As read without names given: each once, numbers by value, else by code points.
    pub labels: Vec<String>,
}

impl LabelledImages {
    /// Reads images and their labels, [prepares](PixelConfig::prepare) each, and numbers the labels in their sorted order.
    ///
    /// - `paths`: two files in MNIST's format, images and labels, gzip or not; or one folder of folders of PNG, JPEG and PNM
    ///   files, each called as the label of what is in it, or a tar archive of such. Other files in them are passed over.
    ///
    /// # Errors
    ///
    /// The config is not [valid](PixelConfig::validate); a file cannot be read or is damaged; two files differ in their
    /// number; images differ in size and are not to be resized; or there are fewer than two labels.
    pub fn read(paths: &[PathBuf], config: &PixelConfig) -> Result<Self, DataError> {
        let sources = sources(paths)?;
        let labels = sorted_labels(sources.iter().map(|source| source.label.as_str()));
        if let [label] = labels.as_slice() {
            return Err(DataError::OneLabel {
                paths: paths.to_vec(),
                label: label.clone(),
            });
        }
        read(sources, labels, config)
    }

    /// Reads further images with labels that are known by now, for validation or a test; otherwise as [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read), but one label is enough, and each has to be a known one.
    pub fn read_with_labels(
        paths: &[PathBuf],
        config: &PixelConfig,
        labels: &[String],
    ) -> Result<Self, DataError> {
        read(sources(paths)?, labels.to_vec(), config)
    }

    /// [Prepares](PixelConfig::prepare) each image.
    ///
    /// # Panics
    ///
    /// If the config is not [valid](PixelConfig::validate).
    pub fn prepared(self, config: &PixelConfig) -> Self {
        let images = self.images.into_iter().map(|one| LabelledImage {
            image: config.prepare(one.image),
            label: one.label,
        });
        Self {
            images: images.collect(),
            labels: self.labels,
        }
    }

    /// Sets about `fraction` of the images aside: `(train, validation)`, each with all labels and in the order of the corpus.
    ///
    /// A stable hash of the pixels decides, so an image that occurs twice stays on one side, and adding images to a corpus
    /// moves none of the old ones.
    ///
    /// # Panics
    ///
    /// If `fraction` is outside `[0, 1]`.
    pub fn split(self, fraction: f64) -> (Self, Self) {
        assert!(
            (0.0..=1.0).contains(&fraction),
            "the validation fraction is {fraction}, expected 0 to 1"
        );
        let images = self.images.into_iter();
        let (train, validation) = images.partition(|one| !is_held_out(&one.image.pixels, fraction));
        let side = |images| Self {
            images,
            labels: self.labels.clone(),
        };
        (side(train), side(validation))
    }
}

/// Where an image comes from, and how its label is called.
struct Source {
    /// Of the image, or of all of them.
    path: PathBuf,
    image: Image,
    label: String,
}

fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, DataError> {
    let sources: Vec<Source> = match paths {
        [packed] => match Files::open(packed)? {
            Some(files) => {
                let entries = files.by_folder(&EXTENSIONS)?.into_iter();
                let source = |(path, label): (PathBuf, String)| {
                    let image = image(&path, &files.read(&path, MAX_IMAGE_BYTES)?)?;
                    Ok(Source { path, image, label })
                };
                entries.map(source).collect::<Result<_, DataError>>()?
            }
            None => Vec::new(),
        },
        [images_path, labels_path] => {
            let images = idx::read_images(images_path)?;
            let labels = idx::read_labels(labels_path)?;
            if images.len() != labels.len() {
                return Err(DataError::Image {
                    path: labels_path.clone(),
                    problem: format!(
                        "found {} labels, expected one for each of the {} images of {}",
                        labels.len(),
                        images.len(),
                        images_path.display()
                    ),
                });
            }
            images
                .into_iter()
                .zip(labels)
                .map(|(image, label)| Source {
                    path: images_path.clone(),
                    image,
                    label: label.to_string(),
                })
                .collect()
        }
        _ => Vec::new(),
    };
    if sources.is_empty() {
        return Err(DataError::NoImages {
            paths: paths.to_vec(),
        });
    }
    Ok(sources)
}

fn read(
    sources: Vec<Source>,
    labels: Vec<String>,
    config: &PixelConfig,
) -> Result<LabelledImages, DataError> {
    config.validate()?;
    let numbers = label_numbers(&labels);
    let mut images: Vec<LabelledImage> = Vec::with_capacity(sources.len());
    for (index, source) in sources.into_iter().enumerate() {
        let refuse = |problem| DataError::Image {
            path: source.path.clone(),
            problem,
        };
        let label = numbers.get(source.label.as_str()).copied();
        let label = label.ok_or_else(|| {
            let (found, known) = (&source.label, some(&labels));
            refuse(format!(
                "image {index} has the label {found:?}, expected one of {known}"
            ))
        })?;
        let image = config.prepare(source.image);
        let first = images.first().map_or(&image, |first| &first.image);
        if (first.height, first.width) != (image.height, image.width) {
            return Err(refuse(format!(
                "found {} x {} pixels, expected {} x {} as in the first image, or `do_resize`",
                image.height, image.width, first.height, first.width
            )));
        }
        images.push(LabelledImage { image, label });
    }
    Ok(LabelledImages { images, labels })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;
    use crate::{ImageSize, digits, shared};

    /// A grey image as a PNM file.
    fn write(path: &Path, [height, width]: [usize; 2], grey: u8) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let header = format!("P5 {width} {height} 255\n");
        let pixels = vec![grey; height * width];
        fs::write(path, [header.into_bytes(), pixels].concat()).unwrap();
    }

    fn square(side: usize) -> PixelConfig {
        PixelConfig::new(
            1,
            ImageSize {
                height: side,
                width: side,
            },
        )
    }

    #[test]
    fn folders_are_labels_in_sorted_order() {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        write(&root.join("dog/1.pgm"), [2, 3], 10);
        write(&root.join("cat/2.PNM"), [4, 4], 20);
        write(&root.join("cat/1.pgm"), [1, 9], 30);
        fs::write(root.join("cat/note.txt"), "no image").unwrap();
        let corpus = LabelledImages::read(&[root.into()], &square(2)).unwrap();
        assert_eq!(corpus.labels, ["cat", "dog"]);
        let found = corpus
            .images
            .iter()
            .map(|one| (one.label, one.image.pixels.clone()));
        let expected = [(0, vec![30; 4]), (0, vec![20; 4]), (1, vec![10; 4])];
        assert_eq!(found.collect::<Vec<_>>(), expected);

        let labels = ["dog", "bird", "cat"].map(String::from);
        let again = LabelledImages::read_with_labels(&[root.into()], &square(2), &labels).unwrap();
        let numbers: Vec<usize> = again.images.iter().map(|one| one.label).collect();
        assert_eq!(
            (numbers, again.labels.as_slice()),
            (vec![2, 2, 0], labels.as_slice())
        );
    }

    #[test]
    fn what_is_no_corpus_is_said() {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        let error = |paths: &[PathBuf], config: &PixelConfig| {
            let error = LabelledImages::read(paths, config).unwrap_err();
            error.to_string()
        };
        let paths = [root.to_path_buf()];
        assert!(error(&paths, &square(2)).starts_with("no images in"));
        assert!(error(&[], &square(2)).starts_with("no images in no file at all"));
        assert!(error(&[root.join("none")], &square(2)).starts_with("cannot read"));
        write(&root.join("a/1.pgm"), [2, 3], 10);
        assert!(error(&[root.join("a/1.pgm")], &square(2)).starts_with("no images in"));
        assert!(error(&paths, &square(2)).starts_with("every label is \"a\""));
        write(&root.join("b/1.pgm"), [3, 2], 10);
        assert!(error(&paths, &square(0)).starts_with("size is 0 x 0"));
        let as_it_is = PixelConfig {
            do_resize: false,
            ..square(2)
        };
        let problem = error(&paths, &as_it_is);
        assert!(problem.ends_with(
            "1.pgm: found 3 x 2 pixels, expected 2 x 3 as in the first image, or `do_resize`"
        ));
        let known = ["a".to_owned()];
        let unknown = LabelledImages::read_with_labels(&paths, &square(2), &known).unwrap_err();
        let expected = "1.pgm: image 1 has the label \"b\", expected one of a";
        assert!(unknown.to_string().ends_with(expected), "{unknown}");
        fs::write(root.join("b/1.pgm"), "P5 3").unwrap();
        assert!(error(&paths, &square(2)).contains("1.pgm: "));
    }

    #[test]
    fn idx_files_belong_together() {
        let folder = TempDir::new().unwrap();
        let paths = ["images", "labels"].map(|name| folder.path().join(name));
        let file = |words: &[u32], bytes: &[u8]| {
            let words: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            [&words, bytes].concat()
        };
        fs::write(&paths[0], file(&[0x803, 2, 1, 2], &[1, 2, 3, 4])).unwrap();
        fs::write(&paths[1], file(&[0x801, 2], &[10, 9])).unwrap();
        let config = PixelConfig {
            do_resize: false,
            ..square(1)
        };
        let corpus = LabelledImages::read(&paths, &config).unwrap();
        assert_eq!(corpus.labels, ["9", "10"]);
        assert_eq!(corpus.images[0].label, 1);
        assert_eq!(corpus.images[1].image.pixels, [3, 4]);
        fs::write(&paths[1], file(&[0x801, 1], &[10])).unwrap();
        let error = LabelledImages::read(&paths, &config)
            .unwrap_err()
            .to_string();
        assert!(error.contains("labels: found 1 labels, expected one for each of the 2"));
    }

    #[test]
    fn a_split_keeps_equal_images_together() {
        let once = digits();
        let mut twice = once.clone();
        twice.images.extend(once.images.clone());
        let (train, validation) = twice.split(0.1);
        let n = once.split(0.1).1.images.len();
        assert_eq!(validation.images.len(), 2 * n);
        assert!((120..240).contains(&n), "{n}");
        assert_eq!(train.labels, validation.labels);
        let half = validation.prepared(&square(4));
        assert!(half.images.iter().all(|one| one.image.pixels.len() == 16));
    }

    #[test]
    fn mnist_reads_whole() {
        let names = ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"];
        let [Some(images), Some(labels)] = names.map(|name| shared::data(&format!("mnist/{name}")))
        else {
            return;
        };
        let corpus = LabelledImages::read(&[images, labels], &square(28)).unwrap();
        assert_eq!((corpus.images.len(), corpus.labels.len()), (10_000, 10));
        assert_eq!(corpus.labels[9], "9");
        let first: Vec<usize> = corpus.images[..5].iter().map(|one| one.label).collect();
        assert_eq!(first, [7, 2, 1, 0, 4]);
    }
}
