/* test_arena.c - alignment, zeroing, marks, merging and overflow of the arena.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

static void test_aligned_and_zeroed(void **state)
{
    (void)state;
    gp_arena *a = gp_arena_create(1000);
    for (size_t i = 1; i < 300; i += 7) {
        uint8_t *p = gp_arena_alloc(a, i, 1);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % GP_ALIGN, 0);
        for (size_t j = 0; j < i; j++) assert_int_equal(p[j], 0);
        memset(p, 0xff, i);
    }
    /* Memory that was written and popped comes back zeroed. */
    gp_arena_pop(a, (gp_arena_mark){NULL, 0});
    uint8_t *p = gp_arena_alloc(a, 5000, 1);
    for (size_t j = 0; j < 5000; j++) assert_int_equal(p[j], 0);
    gp_arena_mark m = gp_arena_mark_get(a);
    for (int round = 0; round < 3; round++) {
        p = gp_arena_alloc(a, 500, 1);
        for (size_t j = 0; j < 500; j++) assert_int_equal(p[j], 0);
        memset(p, 0xff, 500);
        gp_arena_pop(a, m);
    }
    assert_false(gp_arena_failed(a));
    gp_arena_free(&a);
    assert_null(a);
    gp_arena_free(&a);
}

static void test_marks_keep_what_is_below(void **state)
{
    (void)state;
    gp_arena *a = gp_arena_create(64);
    char *below = gp_arena_strdup(a, "below");
    gp_arena_mark m = gp_arena_mark_get(a);
    uint8_t *first = gp_arena_alloc_raw(a, 10000, 1);
    size_t high = gp_arena_high_water(a);
    for (int round = 0; round < 100; round++) {
        gp_arena_pop(a, m);
        assert_string_equal(below, "below");
        uint8_t *again = gp_arena_alloc_raw(a, 10000, 1);
        assert_ptr_equal(first, again); /* the popped block is kept and used again */
        memset(again, round, 10000);
    }
    assert_int_equal(gp_arena_high_water(a), high);
    gp_arena_free(&a);
}

static void test_merges_to_high_water(void **state)
{
    (void)state;
    gp_arena *a = gp_arena_create(64);
    gp_arena_mark empty = gp_arena_mark_get(a);
    for (int i = 0; i < 50; i++) assert_non_null(gp_arena_alloc(a, 1000, 1));
    gp_arena_pop(a, empty);
    size_t high = gp_arena_high_water(a);
    assert_true(high >= 50 * 1000);
    /* One block now: fifty allocations follow each other without a gap. */
    uint8_t *p = gp_arena_alloc(a, 1000, 1), *q = p;
    size_t step = 0;
    for (int i = 1; i < 50; i++) {
        uint8_t *r = gp_arena_alloc(a, 1000, 1);
        if (i == 1) step = (size_t)(r - q);
        assert_int_equal((size_t)(r - q), step);
        q = r;
    }
    gp_arena_pop(a, empty); /* the same mark serves again after the merge */
    assert_ptr_equal(gp_arena_alloc(a, 1000, 1), p);
    assert_int_equal(gp_arena_high_water(a), high);
    gp_arena_free(&a);
}

static void test_overflow_is_sticky(void **state)
{
    (void)state;
    gp_arena *a = gp_arena_create(64);
    assert_non_null(gp_arena_alloc(a, 0, 8));
    assert_null(gp_arena_alloc(a, SIZE_MAX / 2, 4));
    assert_true(gp_arena_failed(a));
    assert_null(gp_arena_alloc_raw(a, SIZE_MAX - 8, 1));
    assert_non_null(gp_arena_alloc(a, 1, 1));
    assert_true(gp_arena_failed(a));
    gp_arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aligned_and_zeroed),
        cmocka_unit_test(test_marks_keep_what_is_below),
        cmocka_unit_test(test_merges_to_high_water),
        cmocka_unit_test(test_overflow_is_sticky),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
