//! A text does not depend on what else is in the batch, and what a caller may see on the way.

use crate::subjects::{Subject, laws};
use crate::support::{
    SPECIAL, VOCAB, assert_same, go_on, gpt, ids, on_both_backends, options, transformer,
};
use burn::tensor::backend::Backend;
use hearth_data::TokenId;
use hearth_infer::{
    BeamSearch, Finish, InferError, Sampling, Strategy, TokenEvent, generate, translate,
};
use std::collections::HashSet;
use std::ops::ControlFlow;

laws! {
    every model:
        a_batch_writes_what_its_texts_alone_write;
}

on_both_backends!(
    a_text_outgrows_the_context_and_a_prompt_may_not,
    what_is_streamed_is_what_is_returned,
    breaking_keeps_what_there_is,
    wrong_tokens_and_options_are_refused,
);

fn strategies(first_stream: u64) -> [Strategy; 3] {
    [
        Strategy::Greedy,
        Strategy::Sample(Sampling {
            top_k: Some(6),
            top_p: Some(0.95),
            first_stream,
            ..Sampling::new(7)
        }),
        Strategy::Beam(BeamSearch {
            n_best: 3,
            ..BeamSearch::new(3)
        }),
    ]
}

fn texts_of_many_lengths() -> Vec<Vec<TokenId>> {
    [3, 1, 8, 5, 8, 2]
        .into_iter()
        .zip(20..)
        .map(|(n, seed)| ids(seed, n))
        .collect()
}

const EOS: [TokenId; 2] = [3, 6];

fn a_batch_writes_what_its_texts_alone_write<B: Backend, S: Subject<B>>(subject: fn(u64) -> S) {
    let (subject, texts) = (subject(12), texts_of_many_lengths());
    for (kind, strategy) in strategies(0).into_iter().enumerate() {
        let write =
            |texts: &[_], strategy, eos: &[_]| subject.write(texts, &options(strategy, 12, eos));
        // An end that the texts come to at different steps.
        let (eos, batch) = (0..VOCAB as TokenId)
            .map(|eos| ([eos], write(&texts, strategy.clone(), &[eos])))
            .find(|(_, batch)| {
                let lengths = batch.iter().map(|texts| texts[0].ids.len());
                lengths.collect::<HashSet<_>>().len() > 1
            })
            .unwrap_or_else(|| panic!("no text of strategy {kind} ends early"));
        for (i, text) in texts.iter().enumerate() {
            let strategy = strategies(i as u64)[kind].clone();
            let alone = write(std::slice::from_ref(text), strategy, &eos);
            assert_same(&batch[i], &alone[0]);
        }
    }
}

fn a_text_outgrows_the_context_and_a_prompt_may_not<B: Backend>() {
    let (gpt, device) = (gpt::<B>(13), Default::default());
    let write = |strategy, n_new, prompts: &[Vec<TokenId>]| -> Vec<_> {
        let options = options(strategy, n_new, &[]);
        let texts = generate(&gpt, prompts, &options, &device, &mut go_on).expect("texts");
        texts.into_iter().map(|mut texts| texts.remove(0)).collect()
    };
    // 32 positions: the long prompts leave room for 2 and 1, the short one is not cut short by its neighbours.
    let prompts = [ids(1, 30), ids(2, 4), ids(3, 31)];
    let texts = write(Strategy::Greedy, 20, &prompts);
    assert!(
        texts
            .iter()
            .all(|text| text.ids.len() == 20 && text.finish == Finish::Length)
    );
    assert!(texts.iter().all(|text| text.log_probs.len() == 20));
    // Behind the 32nd position it goes on from the last 16 tokens, and again from the last 16 of those.
    let all = [prompts[0].as_slice(), texts[0].ids.as_slice()].concat();
    assert_eq!(
        write(Strategy::Greedy, 16, &[all[16..32].to_vec()])[0].ids,
        all[32..48]
    );
    assert_eq!(
        write(Strategy::Greedy, 2, &[all[32..48].to_vec()])[0].ids,
        all[48..50]
    );
    // A beam search follows several texts at once, and ends.
    let text = &write(Strategy::Beam(BeamSearch::new(3)), 20, &prompts[..1])[0];
    assert_eq!((text.ids.len(), text.finish), (2, Finish::Context));

    let options = options(Strategy::Greedy, 20, &[]);
    let prompts = [ids(2, 4), ids(1, 32)];
    let error = generate(&gpt, &prompts, &options, &device, &mut go_on).expect_err("no room");
    let message = "prompt 1 has 32 tokens, but the model has 32 positions: at most 31 tokens leave room for a new one";
    assert_eq!(error.to_string(), message);
}

fn what_is_streamed_is_what_is_returned<B: Backend>() {
    let (gpt, device) = (gpt::<B>(11), Default::default());
    let prompts = texts_of_many_lengths();
    for strategy in &strategies(0)[..2] {
        let mut streamed = vec![(Vec::new(), Vec::new()); prompts.len()];
        let options = options(strategy.clone(), 12, &EOS);
        let texts = generate(&gpt, &prompts, &options, &device, &mut |event| {
            if let TokenEvent::Chosen {
                prompt,
                id,
                log_prob,
            } = event
            {
                streamed[prompt].0.push(id);
                streamed[prompt].1.push(log_prob);
            }
            ControlFlow::Continue(())
        });
        for (text, streamed) in texts.expect("texts").into_iter().flatten().zip(streamed) {
            assert_eq!((text.ids, text.log_probs), streamed);
        }
    }
}

fn breaking_keeps_what_there_is<B: Backend>() {
    let (gpt, device) = (gpt::<B>(11), Default::default());
    let prompts = [ids(1, 3), ids(2, 3)];
    let break_at = |strategy, n| {
        let mut n_events = 0;
        let options = options(strategy, 12, &[]);
        generate(&gpt, &prompts, &options, &device, &mut |_| {
            n_events += 1;
            if n_events == n {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .expect("what there is")
    };
    let texts = break_at(Strategy::Greedy, 3);
    assert_eq!((texts[0][0].ids.len(), texts[1][0].ids.len()), (2, 1));
    assert!(texts.iter().all(|text| text[0].finish == Finish::Stopped));
    let texts = break_at(Strategy::Beam(BeamSearch::new(2)), 3);
    assert_eq!((texts[0][0].ids.len(), texts[1][0].ids.len()), (3, 3));
    assert!(texts.iter().all(|text| text[0].finish == Finish::Stopped));
}

fn wrong_tokens_and_options_are_refused<B: Backend>() {
    let (gpt, device) = (gpt::<B>(11), Default::default());
    let run = |prompts: &[Vec<TokenId>], strategy, n| -> String {
        let options = options(strategy, n, &[]);
        let result = generate(&gpt, prompts, &options, &device, &mut go_on);
        result.expect_err("a wrong request").to_string()
    };
    let cold = Sampling {
        temperature: 0.0,
        ..Sampling::new(0)
    };
    let narrow = BeamSearch {
        n_best: 3,
        ..BeamSearch::new(2)
    };
    let prompt = [vec![1, 2]];
    assert_eq!(
        run(&[vec![1], vec![2, 11]], Strategy::Greedy, 1),
        "token id 11 is outside the model's vocabulary of 11"
    );
    assert_eq!(
        run(&[vec![1], vec![]], Strategy::Greedy, 1),
        "prompt 1 is empty, expected at least one token"
    );
    assert_eq!(
        run(&prompt, Strategy::Greedy, 0),
        "max_new_tokens is 0, expected at least 1"
    );
    assert_eq!(
        run(&prompt, Strategy::Sample(cold), 1),
        "temperature is 0, expected a finite number above 0 (ask for greedy decoding to take the likeliest token)"
    );
    assert_eq!(
        run(&prompt, Strategy::Beam(narrow), 1),
        "n_best is 3, expected at least 1 and at most the width of the beam"
    );
    let nothing = generate(
        &gpt,
        &[],
        &options(Strategy::Greedy, 1, &[]),
        &device,
        &mut go_on,
    );
    assert_eq!(nothing, Ok(vec![]));
    let model = transformer::<B>(1);
    let long = [ids(1, 33)];
    let options = options(Strategy::Greedy, 1, &[]);
    assert_eq!(
        translate(&model, &long, SPECIAL, &options, &device, &mut go_on),
        Err(InferError::TooLong {
            what: "source",
            row: 0,
            found: 33,
            max_positions: 32
        })
    );
}
