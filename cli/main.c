/* main.c - the program: the table of commands and finding the one that was asked for.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MODEL_FLAG \
    { \
        "model", "PATH", "checkpoint, in any format of docs/CHECKPOINTS.md ($GOPRO_MODEL, else models/small)" \
    }
#define CACHE_FLAG \
    { \
        "cache", "FOLDER", "keeps image features between calls" \
    }
#define ROOT_FLAG \
    { \
        "root", "FOLDER", "the field's datasets lie there; they are then opened by name ($GOPRO_ROOT)" \
    }
#define NAMES_FLAG \
    { \
        "class-names", "FILE", "names of the classes: one a line, or \"class TAB name\"" \
    }
#define RELIABILITY_FLAG \
    { \
        "reliability", "FILE", "draws accuracy against confidence (SVG)" \
    }
#define END \
    { \
        NULL, NULL, NULL \
    }

static const cli_flag zeroshot_flags[] = {MODEL_FLAG,
                                          {"data", "DATA", "dataset: folder, list, tar or name"},
                                          ROOT_FLAG,
                                          NAMES_FLAG,
                                          {"subset", "all|base|new", "classes [all]"},
                                          RELIABILITY_FLAG,
                                          CACHE_FLAG,
                                          END};
static const cli_flag train_flags[] = {MODEL_FLAG,
                                       {"data", "DATA", "dataset: a folder per class, a list, a tar, or a name of 'gopro data list'"},
                                       ROOT_FLAG,
                                       NAMES_FLAG,
                                       {"out", "FOLDER", "run folder; an interrupted run goes on from there"},
                                       {"subset", "all|base", "classes trained on; base is tested on base and new [all]"},
                                       CACHE_FLAG,
                                       END};
static const cli_flag eval_flags[] = {{"model", "PATH", "checkpoint [the run's]"},
                                      {"data", "DATA", "dataset [the run's]"},
                                      ROOT_FLAG,
                                      NAMES_FLAG,
                                      {"subset", "all|base|new", "classes [all]"},
                                      {"per-class", NULL, "accuracy of every class"},
                                      RELIABILITY_FLAG,
                                      CACHE_FLAG,
                                      END};
#define STUDY_FLAGS \
    MODEL_FLAG, {"data", "LIST", "datasets (xd, dg: targets), separated by commas; may be repeated"}, ROOT_FLAG, \
        {"source", "DATA", "xd, dg: the dataset trained on, with all its classes"}, {"seeds", "LIST", "\"1,2,3\" or \"1-3\" [1-3]"}, \
        {"out", "FOLDER", "runs, cache and reports; what is there is not repeated"}, \
        {"format", "text|md|tex|csv", "of the table on standard output [text]"}, {"jobs", "N", "runs at the same time [1]"}, \
    { \
        "memory", "MIB", "most memory of all jobs together [90 % of what is free]" \
    }
static const cli_flag protocol_flags[] = {STUDY_FLAGS, {"methods", "LIST", "separated by commas [zeroshot,gopro]"}, END};
static const cli_flag ablate_flags[] = {
    STUDY_FLAGS, {"methods", "LIST", "separated by commas [gopro]"}, {"protocol", "b2n|xd|dg", "what is measured [b2n]"}, END};
static const cli_flag report_flags[] = {{"format", "text|md|tex|csv", "of the tables on standard output [text]"}, END};
static const cli_flag predict_flags[] = {{"model", "PATH", "checkpoint [the run's]"},
                                         {"classes", "LIST", "class names, separated by commas [those of training]"},
                                         {"classes-file", "FILE", "class names, one a line"},
                                         {"top", "N", "classes shown for each image [5]"},
                                         {"zeroshot", NULL, "no run: hand-written prompts; needs classes"},
                                         END};
static const cli_flag tsne_flags[] = {{"data", "DATA", "dataset [the first run's]"},
                                      ROOT_FLAG,
                                      {"subset", "all|base|new", "classes [all]"},
                                      {"out", "FOLDER", "gets tsne.svg, tsne.csv and tsne.json"},
                                      {"zeroshot", NULL, "also the features of CLIP without training"},
                                      {"points", "N", "images shown, drawn at random if there are more [2000]"},
                                      {"perplexity", "P", "about the number of neighbours that count [30]"},
                                      {"iterations", "N", "steps of the descent [1000]"},
                                      {"model", "FOLDER", "weights and tokenizer for all [each run's]"},
                                      CACHE_FLAG,
                                      END};
static const cli_flag explain_flags[] = {{"top", "N", "words shown for each token [5]"},
                                         {"class", "NAME", "class-specific contexts: only this class"},
                                         {"model", "PATH", "checkpoint [the run's]"},
                                         END};
static const cli_flag curves_flags[] = {{"out", "FILE", "the figure (SVG) [curves.svg in the run, if it is one]"}, END};
static const cli_flag step_flags[] = {{"weights", "FILE", "weights, or their folder"},
                                      {"case", "FILE", "the step's inputs and options"},
                                      {"out", "FILE", "what came out"},
                                      {"precision", "f32|bf16", "of the inputs of matrix products [f32]"},
                                      {"threads", "N", "0: all processors [0]"},
                                      END};
static const cli_flag tokenize_flags[] = {{"vocab", "PATH", "merges file or model folder"}, END};
static const cli_flag data_flags[] = {ROOT_FLAG,
                                      NAMES_FLAG,
                                      {"data", "DATA", "the dataset, instead of an argument"},
                                      {"limit", "N", "check: missing or unreadable files named; 0: all [20]"},
                                      {"sample", "N", "check: images decoded, spread over the lists [64]"},
                                      {"decode", NULL, "check: decode every image"},
                                      {"per-class", NULL, "check: images of every class"},
                                      {"shots", "N", "draw: images per class [16]"},
                                      {"seed", "N", "draw: its seed [1]"},
                                      {"export", "FILE", "draw: written there as JSON, paths relative"},
                                      {"import", "FILE", "draw: read instead of drawn; list, table, JSON, JSON Lines, pickle"},
                                      END};
static const cli_flag import_flags[] = {
    {"dtype", "f32|f16|bf16", "how the numbers are stored; f32 is used where it lies, the others take half the room [f32]"},
    {"verify", "FOLDER", "instead: does an imported folder still hold what was imported?"},
    END};
static const cli_flag doctor_flags[] = {END};
static const cli_flag bench_flags[] = {{"classes", "N", "[50]"},
                                       {"batch", "N", "images [step: 4, predict: 1]"},
                                       {"repeats", "N", "how often everything is timed [5; augment, kernels: 50]"},
                                       {"known-views", NULL, "step: features and statistics of the views are there before"},
                                       {"case", "FILE", "step, predict: that of a parity case, with --weights"},
                                       {"weights", "FILE", "of the case"},
                                       {"data", "DATA", "load: the images"},
                                       {"images", "N", "load: at most so many, spread over the training list [128]"},
                                       {"size", "PIXELS", "load, augment: side of the views [224]"},
                                       {"image", "FILE", "augment: this image instead of a made-up one"},
                                       {"picture", "WxH", "augment: size of the made-up image [500x375]"},
                                       END};
static const cli_flag pretrain_flags[] = {
    {"pairs", "FILE", "drawings with names and keywords"}, {"val", "FILE", "held-out pairs"}, {"out", "FOLDER", "the model"}, END};

const cli_command cli_commands[] = {
    {"zeroshot", "--data FOLDER", "accuracy of hand-written prompts", true, cmd_zeroshot, zeroshot_flags},
    {"train", "--data FOLDER --out RUN", "learn prompts from a few images per class and test them", true, cmd_train, train_flags},
    {"eval", "RUN", "test a run's prompts on a dataset", true, cmd_eval, eval_flags},
    {"protocol", "b2n|xd|dg [--source FOLDER] --data FOLDERS --out FOLDER",
     "base-to-new, cross-dataset, domain generalisation over methods and seeds, with tables", true, cmd_protocol, protocol_flags},
    {"ablate", "losses|tokens|shots|grid [option=v1,v2,...] --data FOLDERS --out FOLDER",
     "the same with other losses, prompt lengths, shots, or any options as a grid", true, cmd_ablate, ablate_flags},
    {"report", "FOLDER [NAME]", "make the tables of protocols and ablations again from their run folders", false, cmd_report, report_flags},
    {"predict", "RUN IMAGE...", "classify images with a run's prompts", true, cmd_predict, predict_flags},
    {"import", "CHECKPOINT OUT", "a Hugging Face, OpenAI, open_clip or SLIP checkpoint to one folder that loads at once", true, cmd_import,
     import_flags},
    {"tsne", "RUN... --out FOLDER", "draw the test images as several runs embed them (t-SNE), with silhouette scores", true, cmd_tsne,
     tsne_flags},
    {"curves", "RUN...", "draw loss and training accuracy of one or several runs over the epochs", false, cmd_curves, curves_flags},
    {"explain", "RUN", "the words nearest to a run's learnt context", false, cmd_explain, explain_flags},
    {"data", "list | check DATA... | draw DATA", "known datasets; whether one is complete; its few-shot draw", true, cmd_data, data_flags},
    {"tokenize", "--vocab PATH", "JSON lines {\"text\":...} from standard input to token ids", false, cmd_tokenize, tokenize_flags},
    {"step", "--weights FILE --case FILE --out FILE", "one training step or training from a case file, for parity", false, cmd_step,
     step_flags},
    {"pretrain", "--pairs FILE --out FOLDER", "train a small CLIP from drawings and alt-texts", true, cmd_pretrain, pretrain_flags},
    {"bench", "step | predict | gemm | kernels | load --data DATA | augment",
     "time a training step or a prediction of method=NAME at ViT-B/16 with random weights; matrix products; reading images", true,
     cmd_bench, bench_flags},
    {"doctor", "", "processor, threads and speed of matrix products", false, cmd_doctor, doctor_flags},
};
const size_t cli_n_commands = sizeof cli_commands / sizeof cli_commands[0];

static const cli_command *find(const char *name)
{
    for (size_t i = 0; i < cli_n_commands; i++)
        if (strcmp(cli_commands[i].name, name) == 0) return &cli_commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[32];
    size_t n = 0;
    for (; n < cli_n_commands && n < 32; n++) names[n] = cli_commands[n].name;
    const char *near = cli_nearest(name, names, n);
    return cli_usage(NULL, "unknown command '%s'%s%s%s", name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

int main(int argc, char **argv)
{
    cli c = {.command = NULL};
    if (argc < 2) {
        cli_help_all(stderr);
        return CLI_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("gopro %s\n", gopro_version());
        return cli_done(&c, 0);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        const cli_command *k = argc > 2 ? find(argv[2]) : NULL;
        if (argc > 2 && !k) return unknown(argv[2]);
        if (k)
            cli_help_command(stdout, k);
        else
            cli_help_all(stdout);
        return cli_done(&c, 0);
    }
    c.command = find(argv[1]);
    if (!c.command) return unknown(argv[1]);
    if (wants_help(argc - 2, argv + 2)) {
        cli_help_command(stdout, c.command);
        return cli_done(&c, 0);
    }
    int status = cli_parse(&c, argc - 2, argv + 2);
    if (status == 0) status = cli_ui_open(&c) ? c.command->run(&c) : 1;
    status = cli_done(&c, status);
    cli_free(&c);
    return status;
}
