//! The command line from end to end: what a user types, and what comes back. Written once; each backend's package runs
//! all of it on its own binary, which is why every test takes a [`Program`].

pub(crate) mod attention;
pub(crate) mod bad_files;
pub(crate) mod bad_input;
pub(crate) mod bad_models;
pub(crate) mod bad_options;
pub(crate) mod bench;
pub(crate) mod convert;
pub(crate) mod decoding;
pub(crate) mod evaluate;
pub(crate) mod forward;
pub(crate) mod generate;
pub(crate) mod help;
pub(crate) mod parity;
pub(crate) mod plot;
pub(crate) mod precision;
pub(crate) mod program;
pub(crate) mod ranks;
pub(crate) mod reading;
pub(crate) mod replicas;
pub(crate) mod resume;
pub(crate) mod score;
pub(crate) mod shard;
pub(crate) mod tensors;
pub(crate) mod train;
pub(crate) mod trained;
pub(crate) mod transcribe;
pub(crate) mod translate;

#[path = "../../../data/src/shared.rs"]
#[allow(
    dead_code,
    clippy::print_stderr,
    reason = "shared with the tests of hearth-data"
)]
mod shared;

use std::path::{Path, PathBuf};

/// Makes each function of the suite a test of the program at a path. One that is left out here is dead code, which the
/// compiler reports.
///
/// A program that takes long to start computing gives a reason why: then only what depends on the backend runs, and the
/// rest waits for `cargo test -- --include-ignored`.
macro_rules! tests {
    ($program:expr $(, slow: $reason:literal)?) => {
        suite::tests! { @ backend $program; [];
            forward {
                the_outputs_are_those_of_the_libraries_that_saved_the_models,
            }
            parity {
                outputs_texts_gradients_and_training_are_those_of_the_references,
                a_reference_that_is_not_met_is_a_numeric_failure,
            }
            train {
                a_run_leaves_its_recipe_models_metrics_and_picture,
                a_text_is_learnt_to_a_tenth_of_the_first_loss,
            }
            generate {
                a_text_that_was_learnt_by_heart_is_streamed,
            }
            translate {
                a_file_gets_what_standard_output_would,
            }
            plot {
                one_run_and_two_runs_make_a_picture,
            }
            help {
                every_command_shows_examples,
                without_arguments_the_usage_is_shown_and_the_exit_code_is_2,
                devices_are_listed_the_default_one_first,
                a_completion_script_is_for_the_program,
            }
        }
        suite::tests! { @ command $program; [$(#[ignore = $reason])?];
            forward {
                without_a_reference_there_is_no_difference,
            }
            decoding {
                a_text_ends_before_a_stop_string,
                a_text_begins_as_it_is_told_and_avoids_words,
                models_together_write_what_they_must,
                ctrl_c_keeps_what_was_written,
            }
            generate {
                greedy_texts_are_those_of_hugging_face,
                beam_texts_and_scores_are_those_of_hugging_face,
                one_seed_gives_one_text_and_another_seed_another,
                each_sample_is_a_line_of_its_own,
                a_translation_does_not_repeat_its_source,
            }
            train {
                one_seed_trains_one_model_to_the_last_bit,
                a_model_that_was_trained_can_be_inspected,
                a_recipe_is_printed_as_it_would_be_trained,
                a_dry_run_tells_what_a_run_costs_and_writes_nothing,
                a_run_shows_where_it_is_unless_it_is_told_to_be_quiet,
            }
            replicas {
                replicas_train_what_one_process_would,
                none_outlives_the_others,
            }
            ranks {
                ranks_train_what_one_process_would,
                a_lost_rank_ends_all,
                an_error_of_one_rank_ends_all_with_its_exit_code,
                ranks_of_unlike_recipes_do_not_begin,
                an_environment_that_cannot_be_is_told,
            }
            shard {
                translations_of_parts_are_those_of_the_whole,
                texts_of_parts_are_those_of_the_whole,
                what_is_read_in_parts_is_what_is_read_at_once,
                a_scheduler_says_which_part,
            }
            resume {
                a_run_that_was_cut_off_goes_on_to_the_last_bit,
                signals_save_and_stop_a_run,
                a_quickstart_stops_behind_a_checkpoint_too,
            }
            score {
                a_text_has_the_perplexity_and_the_bits_of_its_tokens,
                pairs_have_the_perplexity_and_the_bits_of_their_targets,
                a_text_longer_than_the_context_is_scored_whole,
            }
            translate {
                every_line_has_its_translation_even_an_empty_one,
                the_size_of_a_batch_changes_nothing,
                a_recurrent_network_pronounces_as_it_always_has,
            }
            attention {
                a_map_has_the_tokens_of_both_sides_and_a_square_for_each_pair,
                a_translation_is_drawn_beside_its_source_in_words,
                a_text_that_is_longer_than_a_picture_is_drawn_from_its_beginning,
            }
            reading {
                vectors_are_means_of_what_forward_gives,
                classes_are_as_probable_as_the_logits_say,
                models_classify_and_hear_together,
                a_classifier_of_whole_words_sees_their_order,
                masks_are_filled_with_the_likeliest_tokens,
                what_cannot_be_read_is_told,
            }
            evaluate {
                files_score_as_with_sacrebleu_and_jiwer,
                labels_in_files_are_told_apart,
                a_translator_is_judged_by_what_it_writes,
                a_language_model_has_the_perplexity_that_score_tells,
                classes_of_texts_and_images_are_judged,
                a_model_of_speech_is_judged_by_what_it_hears,
            }
            transcribe {
                a_recording_is_written_down_in_text_and_in_json,
                a_rate_and_channels_of_its_own_change_little,
            }
            bench {
                training_steps_are_timed_without_data,
                a_step_that_computes_again_holds_less_and_learns_the_same,
                half_precision_is_timed_or_refused,
                tokens_are_timed_one_by_one_and_in_beams,
                a_pass_is_timed_for_every_kind_of_model,
            }
            precision {
                gradients_are_nearly_those_of_single_precision,
            }
            convert {
                a_model_goes_to_hearth_and_back_bit_by_bit,
                weights_in_shards_are_the_weights,
                a_mean_is_between_its_models,
                what_costs_what_is_told,
            }
            bad_input {
                what_a_user_gets_wrong_is_named_with_its_exit_code,
            }
        }
    };
    (@ $group:ident $program:expr; $attributes:tt; $($file:ident { $($test:ident),* $(,)? })*) => {
        mod $group {
            $(mod $file {
                use super::super::suite;
                $(suite::test! { $program; $attributes; $file $test })*
            })*
        }
    };
}
pub(crate) use tests;

/// One test of [`tests`].
macro_rules! test {
    ($program:expr; [$($attribute:tt)*]; $file:ident $test:ident) => {
        #[test]
        $($attribute)*
        fn $test() {
            suite::$file::$test(suite::program::Program::at($program));
        }
    };
}
pub(crate) use test;

/// A model of the fixtures with its reference: `gpt2`, `marian`, `torch-transformer`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    // Of the backend's package, two folders below the crates.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.join("../../hub/tests/fixtures").join(name)
}
