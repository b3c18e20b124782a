/* write.c - writes the benchmark's datasets and contact sheets.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const char *const part_name[3] = {"train", "val", "test"};

static bool pixels(uint8_t *rgb, const ge_item *t)
{
    if (t->rgb) {
        memcpy(rgb, t->rgb, GE_SIZE * GE_SIZE * 3);
        return true;
    }
    uint8_t rgba[GE_SIZE * GE_SIZE * 4];
    if (!ge_draw(rgba, t->d)) return false;
    ge_on_white(rgb, rgba);
    return true;
}

typedef struct write_job {
    const ge_dataset *s;
    const char *dest;
} write_job;

static void write_image(void *arg, size_t i)
{
    const write_job *j = arg;
    const ge_item *t = &j->s->item[i];
    uint8_t rgb[GE_SIZE * GE_SIZE * 3];
    if (t->part == GE_UNUSED) return;
    if (!pixels(rgb, t)) ge_die("%s/%s: rendered before, but not now", j->s->name, t->path);
    char *path = ge_fmt("%s/%s/%s", j->dest, j->s->name, t->path);
    ge_write_png(path, rgb, GE_SIZE, GE_SIZE, 3);
    free(path);
}

static void write_split(const ge_dataset *s, const char *dest)
{
    char *path = ge_fmt("%s/%s/split.json", dest, s->name);
    FILE *f = ge_create(path);
    for (size_t p = 0; p < 3; p++) {
        fprintf(f, "%s\"%s\": [", p ? ",\n" : "{", part_name[p]);
        const char *comma = "";
        for (size_t i = 0; i < s->n; i++) {
            const ge_item *t = &s->item[i];
            if (t->part != (ge_part)p) continue;
            fprintf(f, "%s\n[\"%s\", %zu, \"%s\"]", comma, t->path, t->label, s->class_name[t->label]);
            comma = ",";
        }
        fputs("]", f);
    }
    fputs("}\n", f);
    ge_close(f, path);
    free(path);
    path = ge_fmt("%s/%s/dataset.json", dest, s->name);
    f = ge_create(path);
    fprintf(f, "{\"name\": \"%s\",\n\"template\": \"%s\"}\n", s->name, s->template_text);
    ge_close(f, path);
    free(path);
    path = ge_fmt("%s/%s/styles.json", dest, s->name);
    f = ge_create(path);
    const char *comma = "{";
    for (size_t i = 0; i < s->n; i++) {
        if (s->item[i].part == GE_UNUSED) continue;
        fprintf(f, "%s\n\"%s\": \"%s\"", comma, s->item[i].path, s->item[i].style);
        comma = ",";
    }
    fputs(*comma == '{' ? "{}\n" : "}\n", f);
    ge_close(f, path);
    free(path);
}

static void count(size_t n[4], const ge_dataset *s)
{
    memset(n, 0, 4 * sizeof *n);
    for (size_t i = 0; i < s->n; i++) n[s->item[i].part]++;
}

void ge_bench_write(const ge_bench *b, const char *dest)
{
    char *path = ge_fmt("%s/index.tsv", dest);
    FILE *f = ge_create(path);
    fputs("dataset\tclasses\ttrain\tval\ttest\n", f);
    for (size_t k = 0; k < b->n; k++) {
        const ge_dataset *s = &b->set[k];
        size_t n[4];
        ge_each(s->n, write_image, &(write_job){s, dest});
        write_split(s, dest);
        count(n, s);
        fprintf(f, "%s\t%zu\t%zu\t%zu\t%zu\n", s->name, s->n_classes, n[0], n[1], n[2]);
        printf("%-14s %3zu classes, train %5zu, val %4zu, test %5zu\n", s->name, s->n_classes, n[0], n[1], n[2]);
    }
    ge_close(f, path);
    free(path);
}

enum { COLUMNS = 24, ROWS = 36 };

/* The classes first .. first + rows - 1, one a row. */
static void write_sheet(const ge_dataset *s, size_t first, size_t rows, const char *dest)
{
    const uint32_t w = COLUMNS * GE_SIZE, h = (uint32_t)rows * GE_SIZE;
    uint8_t *sheet = ge_alloc((size_t)w * h, 3), rgb[GE_SIZE * GE_SIZE * 3];
    memset(sheet, 255, (size_t)w * h * 3);
    size_t *column = ge_alloc(rows, sizeof *column);
    for (size_t i = 0; i < s->n; i++) {
        const ge_item *t = &s->item[i];
        size_t row = t->label - first; /* wraps below first */
        if (t->part == GE_UNUSED || row >= rows || column[row] == COLUMNS || !pixels(rgb, t)) continue;
        for (size_t y = 0; y < GE_SIZE; y++)
            memcpy(sheet + ((row * GE_SIZE + y) * w + column[row] * GE_SIZE) * 3, rgb + y * GE_SIZE * 3, GE_SIZE * 3);
        column[row]++;
    }
    char *path = ge_fmt("%s/sheets/%s-%03zu.png", dest, s->name, first);
    ge_write_png(path, sheet, w, h, 3);
    free(path);
    free(column);
    free(sheet);
}

void ge_bench_sheets(const ge_bench *b, const char *dest)
{
    for (size_t k = 0; k < b->n; k++) {
        const ge_dataset *s = &b->set[k];
        for (size_t c = 0; c < s->n_classes; c += ROWS) write_sheet(s, c, s->n_classes - c < ROWS ? s->n_classes - c : ROWS, dest);
    }
}
