//! Raw tensors in and out.

use std::fs;

use burn::tensor::{DType, TensorData};
use hearth_hub::{HubError, read_tensors, write_tensors};

use crate::support::{FIXTURES, fixture};

#[test]
fn a_copied_file_is_the_same_file() {
    for name in FIXTURES {
        let folder = tempfile::tempdir().expect("a folder");
        let (theirs, ours) = (
            fixture(name).join("model.safetensors"),
            folder.path().join("ours"),
        );
        write_tensors(&ours, read_tensors(&theirs).expect("in order")).expect("written");
        let [theirs, ours] = [theirs, ours].map(|path| read_tensors(&path).expect("in order"));
        assert!(theirs.iter().eq(ours.iter()), "{name}");
    }
}

#[test]
fn what_is_written_is_read_by_the_formats_own_library() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tensors");
    let tensors = [
        ("b", TensorData::new(vec![1.0f32, 2.0], [1, 2])),
        ("a", TensorData::new(vec![1i64], [1])),
        ("none", TensorData::new(Vec::<f32>::new(), [0, 3])),
        (
            "scalar",
            TensorData::new(vec![true], burn::tensor::Shape::from(Vec::<usize>::new())),
        ),
    ];
    write_tensors(&path, tensors.map(|(name, data)| (name.to_string(), data))).expect("written");
    let bytes = fs::read(&path).expect("a file");
    let library = safetensors::SafeTensors::deserialize(&bytes).expect("in order");
    let shape = |name| library.tensor(name).expect("it is there").shape().to_vec();
    assert_eq!(
        ["a", "b", "none", "scalar"].map(shape),
        [vec![1], vec![1, 2], vec![0, 3], vec![]]
    );
    let back = read_tensors(&path).expect("in order");
    assert_eq!(back["b"].to_vec::<f32>().expect("floats"), [1.0, 2.0]);
}

#[test]
fn a_type_that_is_not_written_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tensors");
    let tensor = TensorData::new(vec![1u32], [1]);
    assert_eq!(tensor.dtype, DType::U32);
    let error = write_tensors(&path, [("x".to_string(), tensor)]).expect_err("not written");
    assert!(
        matches!(&error, HubError::ElementType { tensor, .. } if tensor == "x"),
        "{error}"
    );
    assert!(!path.exists());
}
