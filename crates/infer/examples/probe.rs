#![allow(clippy::all, missing_docs)]
use burn::tensor::activation::softmax;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Distribution, Tensor, backend::Backend, s};
use std::time::Instant;
fn time(name: &str, mut f: impl FnMut()) {
    for _ in 0..20 {
        f();
    }
    let mut v: Vec<f64> = (0..9)
        .map(|_| {
            let t = Instant::now();
            for _ in 0..50 {
                f();
            }
            t.elapsed().as_secs_f64() / 50.0 * 1e6
        })
        .collect();
    v.sort_by(f64::total_cmp);
    println!("{name:40} {:9.1} us", v[4]);
}
fn run<B: Backend>(name: &str) {
    let d = Default::default();
    for b in [1usize, 4] {
        println!("== {name} batch {b}");
        let (h, cap, dh) = (4, 1024, 32);
        let n = 1000;
        let r = |shape: [usize; 4]| Tensor::<B, 4>::random(shape, Distribution::Default, &d);
        let (k, v) = (r([b, h, cap, dh]), r([b, h, cap, dh]));
        let q = r([b, h, 1, dh]);
        let ks = k.clone().slice(s![.., .., 0..n, ..]);
        let vs = v.clone().slice(s![.., .., 0..n, ..]);
        time("slice k", || {
            let _ = k.clone().slice(s![.., .., 0..n, ..]);
        });
        time("q kT strided", || {
            let _ = q.clone().matmul(ks.clone().swap_dims(2, 3));
        });
        time("k qT strided", || {
            let _ = ks.clone().matmul(q.clone().swap_dims(2, 3));
        });
        let sc = q.clone().matmul(ks.clone().swap_dims(2, 3));
        time("softmax", || {
            let _ = softmax(sc.clone(), 3);
        });
        time("max", || {
            let _ = sc.clone().max_dim(3);
        });
        time("exp", || {
            let _ = sc.clone().exp();
        });
        time("sum", || {
            let _ = sc.clone().sum_dim(3);
        });
        time("w v strided", || {
            let _ = sc.clone().matmul(vs.clone());
        });
        time("fused", || {
            let _ = attention(
                q.clone(),
                ks.clone(),
                vs.clone(),
                None,
                None,
                AttentionModuleOptions::default(),
            );
        });
        // merged [b*h] layout
        let kt = r([b, h, dh, cap]);
        let kts = kt.clone().slice(s![.., .., .., 0..n]);
        time("q KT stored transposed", || {
            let _ = q.clone().matmul(kts.clone());
        });
        time("mul-sum scores", || {
            let _ = (ks.clone() * q.clone()).sum_dim(3);
        });
        time("full-cap q kT", || {
            let _ = q.clone().matmul(k.clone().swap_dims(2, 3));
        });
        let mut kk = Some(k.clone().mul_scalar(1.0));
        let new = r([b, h, 1, dh]);
        time("slice_assign", || {
            let t = kk.take().unwrap();
            kk = Some(t.slice_assign(s![.., .., 500..501, ..], new.clone()));
        });
    }
}
fn main() {
    run::<burn_flex::Flex>("flex");
    run::<burn_ndarray::NdArray>("ndarray");
}
