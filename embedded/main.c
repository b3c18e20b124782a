/* main.c - gopro-embedded: makes the embedded benchmark and the pretraining pairs from unpacked drawing sets.
 * SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

static void usage(FILE *f)
{
    fputs("usage: gopro-embedded make [--tables DIR] [--cache DIR] [--unicode DIR] [--clipart DIR] [--pretrain] [--sheets] DEST\n"
          "       gopro-embedded check [--tables DIR] DEST\n",
          f);
}

typedef struct options {
    const char *tables, *cache, *unicode, *clipart, *fonts, *dest;
    bool pretrain, sheets;
} options;

static void stage(const char *what)
{
    fprintf(stderr, "[%6.1f s cpu] %s\n", (double)clock() / CLOCKS_PER_SEC, what);
}

static int make(const options *o)
{
    ge_rules rules;
    ge_unicode unicode;
    ge_sets sets;
    ge_drawings bench = {0}, pre = {0};
    ge_bench b = {0};
    ge_rules_load(&rules, o->tables);
    ge_unicode_load(&unicode, o->unicode);
    ge_sets_load(&sets, o->tables);
    stage("reading the sets");
    for (size_t i = 0; i < sets.n; i++) {
        if (ge_set_is(&sets.set[i], "benchmark")) ge_set_read(&bench, &sets.set[i], o->cache, &unicode);
        if (o->pretrain && ge_set_is(&sets.set[i], "pretraining")) ge_set_read(&pre, &sets.set[i], o->cache, &unicode);
    }
    stage("rendering the benchmark's drawings");
    ge_select_benchmark(&bench, &rules);
    ge_thumbs(&bench);
    ge_bench_collect(&b, &bench, &rules, o->tables);
    ge_letters_collect(&b, o->tables, o->fonts);
    for (size_t i = 0; i < b.n; i++) ge_dataset_split(&b.set[i]);
    ge_bench_styles(&b, o->tables);
    stage("writing the benchmark");
    ge_bench_write(&b, o->dest);
    ge_licenses_write(&sets, o->cache, o->tables, o->dest, o->pretrain);
    if (o->sheets) ge_bench_sheets(&b, o->dest);
    if (o->pretrain) {
        ge_drawings used = {0};
        ge_bench_used(&used, &b);
        ge_clipart_read(&pre, o->clipart);
        ge_select_pretraining(&pre, &rules, &unicode);
        stage("rendering the pretraining drawings");
        ge_thumbs(&pre);
        stage("looking for near-duplicates");
        printf("dropped as near-duplicates of benchmark drawings: %zu\n", ge_drop_near(&pre, &used, GE_NEAR));
        stage("writing the pretraining pairs");
        ge_pretrain_write(&pre, o->dest);
    }
    stage("done");
    return 0;
}

int main(int argc, char **argv)
{
    options o = {.tables = "embedded/tables",
                 .cache = "embedded-data/cache",
                 .unicode = "/usr/share/unicode",
                 .clipart = "/usr/share/openclipart/svg",
                 .fonts = "/usr/share/fonts"};
    static const struct option longs[] = {{"tables", 1, NULL, 't'},  {"cache", 1, NULL, 'c'},    {"unicode", 1, NULL, 'u'},
                                          {"clipart", 1, NULL, 'l'}, {"pretrain", 0, NULL, 'p'}, {"sheets", 0, NULL, 's'},
                                          {"help", 0, NULL, 'h'},    {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        switch (c) {
        case 't':
            o.tables = optarg;
            break;
        case 'c':
            o.cache = optarg;
            break;
        case 'u':
            o.unicode = optarg;
            break;
        case 'l':
            o.clipart = optarg;
            break;
        case 'p':
            o.pretrain = true;
            break;
        case 's':
            o.sheets = true;
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    bool making = argc - optind == 2 && strcmp(argv[optind], "make") == 0;
    if (!making && !(argc - optind == 2 && strcmp(argv[optind], "check") == 0)) {
        usage(stderr);
        return 2;
    }
    o.dest = argv[optind + 1];
    return making ? make(&o) : ge_check(o.dest, o.tables) != 0;
}
