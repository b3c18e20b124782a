/* test_lists.c - tables, class-name files, domains, draws from files, long lists: what is taken and what is refused, by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/str.h"
#include "data/dataset_int.h"
#include "data/known.h"
#include "image_folder.h"
#include "scratch.h"

static char root[64];

static int setup(void **state)
{
    (void)state;
    scratch_make(root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(root);
    return 0;
}

static gp_dataset *open_ok(const char *spec, const gp_data_rules *r)
{
    gp_dataset *d = NULL;
    gopro_error err = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, spec);
    if (gp_dataset_open(&d, path, r, NULL, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    return d;
}

static void refuse(const char *spec, const gp_data_rules *r, const char *word)
{
    gp_dataset *d = NULL;
    gopro_error err = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, spec);
    gopro_status st = gp_dataset_open(&d, path, r, NULL, &err);
    if (st != GOPRO_E_DATA || d) fail_msg("status %d, expected a data error with '%s': %s", (int)st, word, err.msg);
    if (!strstr(err.msg, word)) fail_msg("'%s' does not contain '%s'", err.msg, word);
}

static void refuse_table(const char *text, const char *word)
{
    folder_text(root, "list.csv", text);
    refuse("list.csv", NULL, word);
}

static void test_table(void **state)
{
    (void)state;
    folder_text(root, "list.csv",
                "\xef\xbb\xbflabel,extra,path,split\r\n\"a \"\"big\"\", cat\",x,1 "
                "\xc3\xa9.jpg,train\r\n\r\ndog,\"two\r\nlines\",\"2,3.jpg\",train\r\n"
                "dog,,t.jpg,test\r\n\"a \"\"big\"\", cat\",,u.jpg,validation");
    gp_dataset *d = open_ok("list.csv", NULL);
    assert_int_equal(d->n_classes, 2);
    assert_string_equal(d->class_name[0], "a \"big\", cat");
    assert_string_equal(d->train.item[0].path, "1 \xc3\xa9.jpg");
    assert_string_equal(d->train.item[1].path, "2,3.jpg");
    assert_int_equal(d->train.item[1].label, 1);
    assert_int_equal(d->val.n, 1);
    assert_int_equal(d->test.n, 1);
    assert_string_equal(d->name, "list");
    assert_string_equal(d->root, root);
    gp_dataset_free(&d);
    /* Numbers are ordered as numbers. */
    folder_text(root, "n.tsv", "path\tlabel\n1.jpg\t10\n2.jpg\t2\n3.jpg\t10\n4.jpg\t2\n");
    d = open_ok("n.tsv", NULL);
    assert_string_equal(d->class_name[0], "2");
    assert_string_equal(d->class_name[1], "10");
    assert_int_equal(d->train.n + d->val.n + d->test.n, 4);
    gp_dataset_free(&d);
    /* A list without a suffix is known by its header. */
    folder_text(root, "list", "file,class\n1.jpg,a\n2.jpg,b\n");
    d = open_ok("list", NULL);
    gp_dataset_free(&d);
}

static void test_table_errors(void **state)
{
    (void)state;
    refuse_table("path,name\n1,a\n", "line 1: expected a header with the columns path and label");
    refuse_table("path,path,label\n", "says what another says already (the path)");
    refuse_table("path,label\na,b\nc\n", "line 3: 1 fields, expected 2");
    refuse_table("path,label\na,b,c\n", "line 2: 3 fields, expected 2");
    refuse_table("path,label\n\"a,b\n", "line 2: a quoted field is not closed");
    refuse_table("path,label\n\"a\"x,b\n", "text after a closing quote");
    refuse_table("path,label\n/etc/passwd,b\n", "line 2: the path '/etc/passwd' is not allowed");
    refuse_table("path,label\na/../../b,b\n", "'a/../../b' is not allowed");
    refuse_table("path,label\n,b\n", "it is empty");
    refuse_table("path,label\na,\n", "the class of 'a' is empty");
    refuse_table("path,label\na,caf\xe9\n", "not valid UTF-8");
    refuse_table("path,label\n\xe9,cafe\n", "not valid UTF-8");
    refuse_table("path,label\na,\"x\ny\"\n", "a control character");
    refuse_table("path,label,split\na,b,trian\n", "none of train, val and test");
    refuse_table("path,label,split\na,b,train\nc,d,\n", "1 images are in no split, for example 'c'");
    refuse_table("path,label\n1.jpg,a\n1.jpg,b\n", "listed under two classes, 'a' and 'b'");
    refuse_table("path,label\n1.jpg,a\n", "only one class");
    refuse_table("path,label\n", "no images");
    refuse_table("path,label\n1,Big_Cat\n2,big cat\n", "duplicates");
    char path[512];
    gopro_error err = {0};
    folder_must(gp_write_file(folder_path(path, root, "zero.csv"), "path,label\na\0b,c\n", 17, &err), &err);
    refuse("zero.csv", NULL, "line 2: holds a zero byte");
    folder_must(gp_write_file(folder_path(path, root, "utf16.csv"), "\xff\xfep\0a\0t\0h\0,\0", 12, &err), &err);
    refuse("utf16.csv", NULL, "zero byte");
    gp_str long_field = {0};
    gp_str_add(&long_field, "path,label\na,");
    for (int i = 0; i < 70000; i++) gp_str_add(&long_field, "x");
    refuse_table(long_field.s, "longer than 65536 bytes");
    gp_str_free(&long_field);
    /* What is refused is allowed on request. */
    folder_text(root, "list.csv", "path,label\n/tmp/1.jpg,a\n../2.jpg,b\n");
    gp_dataset *d = open_ok("list.csv", &(gp_data_rules){.any_path = true});
    gp_dataset_free(&d);
}

static void test_domains(void **state)
{
    (void)state;
    folder_text(
        root, "l.csv",
        "path,label,split,domain\n1,a,train,photo\n2,b,train,photo\n3,c,train,photo\n4,a,test,sketch\n5,c,test,sketch\n6,b,test,a+b\n"
        "7,a,test,a+b\n");
    gp_dataset *d = open_ok("l.csv#photo", NULL);
    assert_int_equal(d->n_classes, 3);
    assert_int_equal(d->train.n, 3);
    assert_int_equal(d->test.n, 0);
    assert_string_equal(d->name, "l#photo");
    assert_non_null(strstr(d->source, "/l.csv#photo"));
    gp_dataset_free(&d);
    /* A target has the classes that it shows, in the same order. */
    d = open_ok("l.csv#sketch", NULL);
    assert_int_equal(d->n_classes, 2);
    assert_string_equal(d->class_name[1], "c");
    assert_int_equal(d->test.item[1].label, 1);
    gp_dataset_free(&d);
    d = open_ok("l.csv#a+b", NULL);
    assert_int_equal(d->test.n, 2);
    gp_dataset_free(&d);
    d = open_ok("l.csv#photo+sketch", NULL);
    assert_int_equal(d->train.n + d->test.n, 5);
    gp_dataset_free(&d);
    refuse("l.csv#oil", NULL, "has no domain 'oil'; it has photo, sketch, a+b");
    refuse("l.csv#photo+", NULL, "has no domain ''");
    folder_text(root, "split.json", "{\"train\": [[\"1\", 0, \"a\"], [\"2\", 1, \"b\"]]}");
    refuse("#photo", NULL, "has no domains");
    /* A listed class stays without images. */
    folder_text(root, "classes.txt", "c\nb\na\n");
    d = open_ok("l.csv#sketch", NULL);
    assert_int_equal(d->n_classes, 3);
    assert_string_equal(d->class_name[0], "c");
    assert_int_equal(d->test.item[0].label, 2);
    gp_dataset_free(&d);
}

static void test_class_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *first, *second, *error;
    } c[] = {
        {"n1\tred cat\nn2\tdog\nn9\tunused\n", "red cat", "dog", NULL},
        {"n1 red cat\r\nn2 dog\r\nn9 unused\r\n", "red cat", "dog", NULL},
        {"red cat\ndog\n", "red cat", "dog", NULL},
        {"[\"red cat\", \"dog\"]", "red cat", "dog", NULL},
        {"{\"n2\": \"dog\", \"n1\": \"\\u7313\"}", "\xe7\x8c\x93", "dog", NULL},
        {"n2\nn1\n", "n2", "n1", NULL},
        {"n1\tred cat\n", NULL, NULL, "has no name for the class 'n2'"},
        {"a\nb\nc\n", NULL, NULL, "3 names that do not fit the 2 classes ('n1', ...)"},
        {"n1\tx\nn1\ty\nn2\tz\n", NULL, NULL, "'n1' is named twice"},
        {"n1\tx\nn2 y\n", NULL, NULL, "some lines have a tab"},
        {"x\n\ny\n", NULL, NULL, "entry 2 is empty"},
        {"n1\t\nn2\ty\n", NULL, NULL, "entry 1 is empty"},
        {"\n", NULL, NULL, "no class names"},
        {"{\"n1\": 3}", NULL, NULL, "is not a string"},
        {"caf\xe9\ndog\n", NULL, NULL, "not valid UTF-8"},
        {"same\nsame\n", NULL, NULL, "duplicates"},
    };
    char file[512];
    folder_text(root, "d.csv", "path,label\n1,n1\n2,n2\n3,n1\n4,n2\n");
    for (size_t i = 0; i < GP_COUNT(c); i++) {
        folder_text(root, "names", c[i].text);
        const gp_data_rules r = {.class_names = folder_path(file, root, "names")};
        if (c[i].error) {
            refuse("d.csv", &r, c[i].error);
            continue;
        }
        gp_dataset *d = open_ok("d.csv", &r);
        assert_int_equal(d->n_classes, 2);
        assert_string_equal(d->class_name[0], c[i].first);
        assert_string_equal(d->class_name[1], c[i].second);
        gp_dataset_free(&d);
    }
    /* Numbered labels: the file lists the classes. */
    folder_text(root, "d.csv", "path,label\n1,2\n2,0\n3,2\n4,0\n");
    folder_text(root, "classes.txt", "zero\none\ntwo\n");
    gp_dataset *d = open_ok("d.csv", NULL);
    assert_int_equal(d->n_classes, 3);
    assert_string_equal(d->class_name[2], "two");
    gp_dataset_free(&d);
    /* A published list keeps its labels under other names. */
    folder_text(root, "s.json", "{\"train\": [[\"1\", 1, \"b\"], [\"2\", 0, \"a\"]], \"val\": [], \"test\": []}");
    folder_text(root, "names", "a\tAlpha\nb\tBeta\n");
    d = open_ok("s.json", &(gp_data_rules){.class_names = folder_path(file, root, "names")});
    assert_string_equal(d->class_name[1], "Beta");
    assert_int_equal(d->train.item[0].label, 1);
    gp_dataset_free(&d);
}

static void draw_case(const gp_dataset *d, const char *text, const char *want, const char *error)
{
    gp_draw dr;
    gopro_error err = {0};
    gp_str got = {0};
    gopro_status st = gp_draw_parse(&dr, d, text, strlen(text), "draw", NULL, &err);
    if (error) {
        if (st == GOPRO_OK || !strstr(err.msg, error)) fail_msg("'%s' does not contain '%s'", err.msg, error);
        return;
    }
    if (st != GOPRO_OK) fail_msg("%s: %s", text, err.msg);
    for (size_t i = 0; i < dr.n_train; i++) gp_str_addf(&got, "%u ", dr.train[i]);
    gp_str_add(&got, "|");
    for (size_t i = 0; i < dr.n_val; i++) gp_str_addf(&got, " %u", dr.val[i]);
    assert_string_equal(got.s, want);
    gp_str_free(&got);
    gp_draw_free(&dr);
}

static void test_draw_forms(void **state)
{
    (void)state;
    gp_item train[] = {{.path = "a/1.jpg"}, {.path = "a/2 x.jpg"}, {.path = "b/1.jpg", .label = 1}, {.path = "b/2.jpg", .label = 1}};
    gp_item val[] = {{.path = "a/9.jpg"}, {.path = "b/9.jpg", .label = 1}};
    char a[] = "Red_cat", b[] = "dog", *names[] = {a, b}, name[] = "pets";
    const gp_dataset d = {.name = name, .class_name = names, .n_classes = 2, .train = {train, 4}, .val = {val, 2}};
    draw_case(&d, "b/2.jpg 1\n# x\na/2 x.jpg 0\r\n", "3 1 |", NULL);
    draw_case(&d, "/data/pets/a/1.jpg\tred cat\npets/b/1.jpg\tdog\n", "0 2 |", NULL);
    draw_case(&d, "path,label,split\nb/1.jpg,dog,train\na/9.jpg,Red_cat,val\nz.jpg,dog,test\n", "2 | 0", NULL);
    draw_case(&d,
              "{\"_impath\": \"x/a/1.jpg\", \"_label\": 0, \"_domain\": 0, \"_classname\": \"Red_cat\"}\n\n{\"_impath\": \"b/1.jpg\", "
              "\"_label\": 1}\n",
              "0 2 |", NULL);
    draw_case(&d, "{\"_impath\": \"x/a/1.jpg\", \"_label\": 0}", "0 |", NULL);
    draw_case(&d,
              "{\"train\": {\"data\": [{\"impath\": \"b/1.jpg\", \"label\": 1, \"classname\": \"dog\"}], \"indices\": [2]}, \"val\": "
              "{\"data\": [{\"impath\": "
              "\"b/9.jpg\", \"label\": 1}], \"indices\": [1]}}",
              "2 | 1", NULL);
    /* Validation images cut out of the training list have no place here. */
    draw_case(&d, "{\"train\": [[\"b/1.jpg\", 1, \"dog\"]], \"val\": [[\"a/1.jpg\", 0, \"Red_cat\"]]}", "2 |", NULL);
    draw_case(&d, "[[\"b/1.jpg\", 1]]", "2 |", NULL);
    draw_case(&d, "b/1.jpg 1\nb/1.jpg 1\n", NULL, "'b/1.jpg' is drawn twice");
    draw_case(&d, "b/1.jpg 0\n", NULL, "has the label 0 there and 1 in dataset 'pets'");
    draw_case(&d, "b/1.jpg\tRed cat\n", NULL, "is of class 'Red cat' there and 'dog'");
    draw_case(&d, "c/1.jpg 0\nd/1.jpg 1\nb/1.jpg 1\n", NULL, "2 images are not in the lists of dataset 'pets', for example 'c/1.jpg'");
    draw_case(&d, "1.jpg 0\n", NULL, "1 images are not in the lists");
    draw_case(&d, "{\"val\": []}", NULL, "under \"train\"");
    draw_case(&d, "{\"train\": 3}", NULL, "must be an array");
    draw_case(&d, "{\"train\": [3]}", NULL, "train entry 0");
    draw_case(&d, "{\"train\": [", NULL, "line 1");
    draw_case(&d, "{\"train\": []}", NULL, "no training images");
    draw_case(&d, "nothing\n", NULL, "line 1: expected a path and a label");
    draw_case(&d, "", NULL, "no training images");
    draw_case(&d, "{\"_impath\": \"a/1.jpg\"}\nx\n", NULL, "line 2");
    draw_case(&d, "{\"_label\": 1}\n", NULL, "has no path");
    /* There and back. */
    gp_draw dr, again;
    assert_int_equal(gp_draw_make(&dr, &d, 2, 4, NULL, NULL), GOPRO_OK);
    char *text = gp_draw_json(&dr, &d, 2, 4, NULL, false);
    assert_int_equal(gp_draw_parse(&again, &d, text, strlen(text), "draw", NULL, NULL), GOPRO_OK);
    assert_string_equal(dr.hash, again.hash);
    assert_string_equal(dr.val_hash, again.val_hash);
    free(text);
    gp_draw_free(&dr);
    gp_draw_free(&again);
}

/* The table of known datasets agrees with itself. */
static void test_known(void **state)
{
    (void)state;
    assert_int_equal(gp_n_known, 15);
    for (size_t i = 0; i < gp_n_known; i++) {
        const gp_known *k = &gp_known_datasets[i];
        assert_ptr_equal(gp_known_by_name(k->name), k);
        assert_ptr_equal(gp_known_by_name(k->title), k);
        assert_non_null(strstr(k->template_text, "{}"));
        assert_true(k->layout != GP_LAYOUT_SPLIT || k->split);
        assert_true(k->base_test < k->n[GP_PART_TEST]);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(k->folder, gp_known_datasets[j].folder);
        for (int p = 0; p < 2; p++)
            for (int s = 0; s < GP_KNOWN_SEEDS; s++)
                if (k->fingerprint[p][s]) assert_int_equal(strlen(k->fingerprint[p][s]), 16);
    }
    assert_null(gp_known_by_name("pets"));
}

/* A million images: seconds, and less than 500 MiB with everything else of this program. */
static void test_million(void **state)
{
    (void)state;
    enum { N = 1000000 };
    char path[512];
    FILE *f = fopen(folder_path(path, root, "big.csv"), "w"), *g = fopen(folder_path(path, root, "big.json"), "w");
    assert_true(f && g);
    fprintf(f, "path,label,split\n");
    fprintf(g, "{\n\"train\": [");
    for (int i = 0; i < N; i++) {
        const int k = i / 10 % 1000;
        fprintf(f, "images/part%03d/a_folder/photo_%08d.jpg,class number %d,%s\n", i % 97, i, k, i % 10 < 7 ? "train" : "test");
        if (i % 10 < 7)
            fprintf(g, "%s\n    [\n        \"images/part%03d/a_folder/photo_%08d.jpg\",\n        %d,\n        \"class number %d\"\n    ]",
                    i ? "," : "", i % 97, i, k, k);
    }
    fprintf(g, "],\n\"test\": []}\n");
    fclose(f);
    fclose(g);
    gp_dataset *d = open_ok("big.csv", NULL);
    assert_int_equal(d->train.n + d->test.n, N);
    assert_int_equal(d->n_classes, 1000);
    gp_dataset_free(&d);
    d = open_ok("big.json", NULL);
    assert_int_equal(d->train.n, N / 10 * 7);
    gp_dataset_free(&d);
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
#if !defined(__SANITIZE_ADDRESS__)
    if (u.ru_maxrss > 500 * 1024) fail_msg("%ld MiB", u.ru_maxrss / 1024);
#endif
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_table),      T(test_table_errors), T(test_domains), T(test_class_names),
                                       T(test_draw_forms), T(test_known),        T(test_million)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
