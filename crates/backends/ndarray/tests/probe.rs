//! Temporary.
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn_ndarray::NdArray;
#[test]
fn probe() {
    let d = Default::default();
    for n in [16usize, 31, 100, 256, 1000, 4096] {
        let v: Vec<f32> = (0..n).map(|i| 0.3 + i as f32 * 0.7).collect();
        let t = Tensor::<NdArray, 1>::from_floats(v.as_slice(), &d).mul_scalar(1.0);
        let r: Vec<f32> = t.recip().into_data().to_vec().unwrap();
        let e: Vec<f32> = r.iter().zip(&v).map(|(r, v)| (r * v - 1.0).abs()).collect();
        let exact = e.iter().filter(|&&e| e < 1e-6).count();
        println!(
            "recip n {n} max rel {:e} exact {exact}",
            e.iter().cloned().fold(0.0, f32::max)
        );
        let a = Tensor::<Autodiff<NdArray>, 1>::ones([n], &d).require_grad();
        let b = Tensor::<Autodiff<NdArray>, 1>::from_floats(v.as_slice(), &d).mul_scalar(1.0);
        let g = (a.clone() / b).sum().backward();
        let g: Vec<f32> = a.grad(&g).unwrap().into_data().to_vec().unwrap();
        let e: Vec<f32> = g.iter().zip(&v).map(|(r, v)| (r * v - 1.0).abs()).collect();
        println!(
            "div grad n {n} max rel {:e} exact {}",
            e.iter().cloned().fold(0.0, f32::max),
            e.iter().filter(|&&e| e < 1e-6).count()
        );
    }
}
