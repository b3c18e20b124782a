/* test_layout.c - blocks of rows: they tile the rows, none is larger than a product takes, and their numbers are found again.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "encoders/block.h"

typedef struct tiles {
    gp_compute *c;
    size_t rows, next, n;
} tiles;

static void tile(void *arg, size_t first, size_t n, size_t worker)
{
    tiles *t = arg;
    (void)worker;
    assert_int_equal(first, t->next);
    assert_in_range(n, 1, GP_ROW_BLOCK);
    assert_int_equal(first % t->c->row_unit, 0);
    assert_int_equal(gp_rows_block_of(t->c, t->rows, first), t->n);
    t->next += n;
    t->n++;
}

static void blocks_tile_the_rows(void **state)
{
    static const size_t unit[] = {6, GP_ROW_UNIT};
    (void)state;
    gp_compute *c = NULL;
    assert_int_equal(gp_compute_create(&c, 1, NULL, NULL), GOPRO_OK);
    for (size_t u = 0; u < GP_COUNT(unit); u++)
        for (size_t rows = 0; rows <= 5000; rows++) {
            c->row_unit = unit[u];
            tiles t = {.c = c, .rows = rows};
            gp_rows_run(c, rows, tile, &t);
            assert_int_equal(t.next, rows);
            assert_in_range(t.n, 0, gp_rows_blocks(c, rows));
            if (rows > 256) assert_int_equal(t.n, gp_rows_blocks(c, rows));
        }
    gp_compute_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_tile_the_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
