//! A draft changes the time that a text takes, and a shared prefix too; never the text.

use crate::subjects::{gpt2, gru, llama, lstm, mistral};
use crate::support::{Markov, assert_same, floats, go_on, ids, on_both_backends, options, row};
use burn::tensor::backend::Backend;
use hearth_data::TokenId;
use hearth_infer::{DecodeOptions, Rules, Sampling, SharedPrefix, Strategy, generate, speculate};
use hearth_model::{Autoregressive, LanguageModel};

on_both_backends!(
    any_draft_leaves_a_greedy_text_as_it_is,
    draws_with_a_draft_follow_the_distribution_of_the_large_model,
    a_shared_prefix_changes_nothing,
    equal_prompts_are_written_as_if_each_were_read,
);

fn drafted<B: Backend, M: LanguageModel<B>, D: LanguageModel<B>>(large: &M, draft: &D) {
    let device = Default::default();
    for (n_draft, n_prompt) in [(1, 1), (3, 5), (5, 9), (12, 2)] {
        let prompt = ids(40 + n_prompt as u64, n_prompt);
        let rules = Rules {
            repetition_penalty: 1.2,
            ..Rules::default()
        };
        for rules in [Rules::default(), rules] {
            let options = DecodeOptions {
                rules,
                ..options(Strategy::Greedy, 20, &[3])
            };
            let prompts = [prompt.clone()];
            let alone = generate(large, &prompts, &options, &device, &mut go_on).expect("a text");
            let models = (large, draft);
            let (text, found) =
                speculate(models, &prompt, n_draft, &options, &device, &mut go_on).expect("a text");
            assert_same(&[text], &alone[0]);
            assert!(found.n_accepted <= found.n_drafted && found.n_passes <= 20);
        }
    }
}

fn any_draft_leaves_a_greedy_text_as_it_is<B: Backend>() {
    let large = llama::<B>(1).0;
    drafted(&large, &large);
    drafted(&large, &gru::<B>(2).0);
    drafted(&lstm::<B>(3).0, &gpt2::<B>(4).0);
    drafted(&mistral::<B>(5).0, &mistral::<B>(6).0);
    // The same model twice: all that it drafts is accepted.
    let (prompt, options) = ([1, 2], options(Strategy::Greedy, 21, &[]));
    let models = (&large, &large);
    let (text, found) = speculate(
        models,
        &prompt,
        4,
        &options,
        &Default::default(),
        &mut go_on,
    )
    .expect("a text");
    assert_eq!((text.ids.len(), found.n_accepted), (21, found.n_drafted));
    assert_eq!(found.n_passes, 5);
}

/// Pearson's statistic of the pairs of tokens that are drawn is below the 99.9 % point of its distribution.
fn draws_with_a_draft_follow_the_distribution_of_the_large_model<B: Backend>() {
    const N: u64 = 4_000;
    const V: usize = 5;
    let (large, draft) = (Markov::<B>::random(V, 1), Markov::<B>::random(V, 2));
    let sampling = |seed| Sampling {
        temperature: 0.9,
        top_k: Some(4),
        ..Sampling::new(seed)
    };
    let device = Default::default();
    let mut counts = [[0f64; V]; V];
    for seed in 0..N {
        let options = options(Strategy::Sample(sampling(seed)), 2, &[]);
        let models = (&large, &draft);
        let (text, _) =
            speculate(models, &[1, 2], 3, &options, &device, &mut go_on).expect("a text");
        counts[text.ids[0] as usize][text.ids[1] as usize] += 1.0;
    }
    // What the large model alone draws from.
    let distribution = |a: TokenId, b: TokenId| {
        let mut state = large.start(&[0]);
        let logits = floats(large.predict(row::<B>(&[a, b]), &mut state));
        let mut probabilities = [0f64; V];
        let found = sampling(0).distribution(&logits).expect("finite");
        for (id, probability) in found.probabilities() {
            probabilities[id as usize] = probability;
        }
        probabilities
    };
    let first = distribution(1, 2);
    let (mut statistic, mut n_cells) = (0.0, 0);
    for (a, p) in first.iter().enumerate() {
        for (b, q) in distribution(2, a as TokenId).iter().enumerate() {
            let expected = p * q * N as f64;
            if expected == 0.0 {
                assert_eq!(counts[a][b], 0.0, "a token was drawn that had been cut");
            } else {
                statistic += (counts[a][b] - expected).powi(2) / expected;
                n_cells += 1;
            }
        }
    }
    // Wilson and Hilferty's approximation of the chi-square quantile; 3.0902 is the normal one.
    let freedom = f64::from(n_cells - 1);
    let spread = 2.0 / (9.0 * freedom);
    let limit = freedom * (1.0 - spread + 3.0902 * spread.sqrt()).powi(3);
    assert!(statistic < limit, "{statistic} of {limit}");
}

fn shared<B: Backend, M: LanguageModel<B>>(model: &M) {
    let device = Default::default();
    let prefix = ids(50, 7);
    let rests = [ids(51, 3), ids(52, 1), ids(53, 3), ids(54, 2)];
    let whole = rests
        .clone()
        .map(|rest| [prefix.as_slice(), &rest].concat());
    let mut read = SharedPrefix::read(model, &prefix[..4], &device).expect("a prefix");
    read.extend(model, &prefix[4..], &device)
        .expect("more of it");
    assert_eq!(read.ids(), prefix);
    for strategy in [Strategy::Greedy, Strategy::Sample(Sampling::new(3))] {
        let options = options(strategy, 9, &[3]);
        let expected = generate(model, &whole, &options, &device, &mut go_on).expect("texts");
        // Twice: what was read once is not used up.
        for _ in 0..2 {
            let found = read.generate(model, &rests, &options, &device, &mut go_on);
            for (found, expected) in found.expect("texts").iter().zip(&expected) {
                assert_same(found, expected);
            }
        }
    }
}

fn a_shared_prefix_changes_nothing<B: Backend>() {
    shared(&gpt2::<B>(1).0);
    shared(&mistral::<B>(2).0);
    shared(&lstm::<B>(3).0);
}

fn equal_prompts_are_written_as_if_each_were_read<B: Backend>() {
    let (model, device) = (llama::<B>(1).0, Default::default());
    let prompts = [ids(1, 4), ids(2, 6), ids(1, 4), ids(1, 4), ids(2, 6)];
    let write = |prompts: &[Vec<_>], first_stream| {
        let sampling = Sampling {
            first_stream,
            ..Sampling::new(8)
        };
        let options = options(Strategy::Sample(sampling), 9, &[]);
        generate(&model, prompts, &options, &device, &mut go_on).expect("texts")
    };
    let together = write(&prompts, 0);
    for (i, prompt) in prompts.iter().enumerate() {
        let alone = write(std::slice::from_ref(prompt), i as u64);
        assert_same(&together[i], &alone[0]);
    }
    assert_ne!(together[0][0].ids, together[2][0].ids);
}
