/* pickle.c - see pickle.h.  A stack machine whose only effect is to add nodes; limits on nodes, memo and stack bound its memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/pickle.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 1 << 22, MAX_NAME = 256 };

typedef struct machine {
    gp_pickle *p;
    const uint8_t *data;
    size_t size, at;
    uint32_t *stack, *mark, *memo; /* memo: node + 1, 0 for none */
    uint32_t n_stack, cap_stack, n_mark, cap_mark, cap_memo, n_memo;
    const gp_pk_types *types;
    bool stop;
    const char *label;
    gopro_error *err;
} machine;

static gopro_status bad(const machine *m, const char *what)
{
    return gp_fail(m->err, GOPRO_E_FORMAT, "%s: pickle, byte %zu: %s", m->label, m->at, what);
}

/* Room for one more element of `size` bytes in an array that doubles. */
static gopro_status room(const machine *m, void *array, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap) return GOPRO_OK;
    if (n >= 4u * MAX_NODES) return bad(m, "holds more values than any file of its kind needs");
    uint32_t more = *cap ? 2 * *cap : 256;
    void *old, *grown;
    memcpy(&old, array, sizeof old); /* array points to a pointer of some type */
    grown = reallocarray(old, more, size);
    if (!grown) return gp_fail_nomem(m->err, more * size, m->label);
    memcpy(array, &grown, sizeof grown);
    *cap = more;
    return GOPRO_OK;
}

/* ---- stack ---- */

static gopro_status push(machine *m, uint32_t node)
{
    GP_TRY(room(m, &m->stack, m->n_stack, &m->cap_stack, sizeof *m->stack));
    m->stack[m->n_stack++] = node;
    return GOPRO_OK;
}

static gopro_status push_new(machine *m, gp_pk v)
{
    gp_pickle *p = m->p;
    if (p->n_node >= MAX_NODES) return bad(m, "holds more values than any file of its kind needs");
    GP_TRY(room(m, &p->node, p->n_node, &p->cap_node, sizeof *p->node));
    p->node[p->n_node] = v;
    return push(m, p->n_node++);
}

static uint32_t floor_of(const machine *m)
{
    return m->n_mark ? m->mark[m->n_mark - 1] : 0;
}

static gopro_status pop(machine *m, uint32_t *node)
{
    *node = 0;
    if (m->n_stack <= floor_of(m)) return bad(m, "takes a value from an empty stack");
    *node = m->stack[--m->n_stack];
    return GOPRO_OK;
}

static gopro_status top(const machine *m, uint32_t *node)
{
    *node = 0;
    if (m->n_stack <= floor_of(m)) return bad(m, "needs a value on an empty stack");
    *node = m->stack[m->n_stack - 1];
    return GOPRO_OK;
}

static gopro_status add_item(machine *m, uint32_t to, uint32_t key, uint32_t value)
{
    gp_pickle *p = m->p;
    GP_TRY(room(m, &p->cell, p->n_cell, &p->cap_cell, sizeof *p->cell));
    uint32_t c = p->n_cell++;
    p->cell[c] = (gp_pk_cell){key, value, GP_PK_NIL};
    gp_pk *v = &p->node[to];
    if (v->n++)
        p->cell[v->last].next = c;
    else
        v->first = c;
    v->last = c;
    return GOPRO_OK;
}

/* The values above the last mark: stack[*from..n); the mark is taken away. */
static gopro_status take_mark(machine *m, uint32_t *from)
{
    *from = 0;
    if (!m->n_mark) return bad(m, "needs a mark, there is none");
    *from = m->mark[--m->n_mark];
    return GOPRO_OK;
}

/* ---- input ---- */

static gopro_status take(machine *m, const uint8_t **p, size_t n)
{
    *p = m->data;
    if (n > m->size - m->at) return bad(m, "ends within an operation; is the file cut off?");
    *p = m->data + m->at;
    m->at += n;
    return GOPRO_OK;
}

static gopro_status number(machine *m, uint64_t *v, size_t bytes)
{
    const uint8_t *p;
    *v = 0;
    GP_TRY(take(m, &p, bytes));
    for (size_t i = 0; i < bytes; i++) *v |= (uint64_t)p[i] << 8 * i;
    return GOPRO_OK;
}

static gopro_status text(machine *m, size_t length_bytes)
{
    uint64_t n;
    const uint8_t *p;
    GP_TRY(number(m, &n, length_bytes));
    if (n > m->size - m->at) return bad(m, "a text runs past the end; is the file cut off?");
    GP_TRY(take(m, &p, (size_t)n));
    return push_new(m, (gp_pk){.kind = GP_PK_TEXT, .s = (const char *)p, .i = (int64_t)n});
}

/* Little-endian two's complement of any length. */
static gopro_status long_number(machine *m)
{
    uint64_t n, v = 0;
    const uint8_t *p;
    GP_TRY(number(m, &n, 1));
    GP_TRY(take(m, &p, (size_t)n));
    if (n > 8) return push_new(m, (gp_pk){.kind = GP_PK_BIG, .s = (const char *)p, .i = (int64_t)n});
    for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << 8 * i;
    if (n && n < 8 && p[n - 1] & 0x80) v |= UINT64_MAX << 8 * n;
    return push_new(m, (gp_pk){.kind = GP_PK_INT, .i = (int64_t)v});
}

/* ---- types ---- */

static gopro_status push_type(machine *m, const char *module, size_t n_module, const char *name, size_t n_name)
{
    gp_pk_use use = GP_USE_OBJECT;
    int row = m->types->find(module, n_module, name, n_name, &use);
    if (row >= 0) return push_new(m, (gp_pk){.kind = GP_PK_TYPE, .i = row, .first = (uint32_t)use});
    return gp_fail(m->err, GOPRO_E_FORMAT,
                   "%s: pickle, byte %zu: asks for '%.*s.%.*s', which no %s needs; it was refused and nothing was executed "
                   "(if the file is from a source you trust, %s)",
                   m->label, m->at, (int)gp_min_size(n_module, 120), module, (int)gp_min_size(n_name, 120), name, m->types->owner,
                   m->types->advice);
}

static gopro_status global_line(machine *m, const char **s, size_t *n)
{
    *s = "";
    *n = 0;
    const uint8_t *p = m->data + m->at, *nl = m->at < m->size ? memchr(p, '\n', m->size - m->at) : NULL;
    if (!nl || (size_t)(nl - p) > MAX_NAME) return bad(m, "a type's name has no end or is too long");
    *s = (const char *)p;
    *n = (size_t)(nl - p);
    m->at += *n + 1;
    return GOPRO_OK;
}

static gopro_status global(machine *m)
{
    const char *module, *name;
    size_t n_module, n_name;
    GP_TRY(global_line(m, &module, &n_module));
    GP_TRY(global_line(m, &name, &n_name));
    return push_type(m, module, n_module, name, n_name);
}

static gopro_status stack_global(machine *m)
{
    uint32_t name, module;
    GP_TRY(pop(m, &name));
    GP_TRY(pop(m, &module));
    const gp_pk *a = &m->p->node[module], *b = &m->p->node[name];
    if (a->kind != GP_PK_TEXT || b->kind != GP_PK_TEXT || a->i > MAX_NAME || b->i > MAX_NAME) return bad(m, "a type's name is no text");
    return push_type(m, a->s, (size_t)a->i, b->s, (size_t)b->i);
}

/* ---- building ---- */

/* OrderedDict([(key, value), ...]), as Python 2 wrote it. */
static gopro_status fill_pairs(machine *m, uint32_t dict, uint32_t list)
{
    const gp_pickle *p = m->p;
    if (p->node[list].kind != GP_PK_LIST) return bad(m, "an ordered dictionary is made of something other than a list of pairs");
    for (uint32_t k = 0, c = p->node[list].first; k < p->node[list].n; k++, c = p->cell[c].next) {
        uint32_t pair = p->cell[c].value, key = gp_pk_item(p, pair, 0), value = gp_pk_item(p, pair, 1);
        if (p->node[pair].n != 2 || key == GP_PK_NIL || value == GP_PK_NIL) return bad(m, "an ordered dictionary is made of no pairs");
        GP_TRY(add_item(m, dict, key, value));
    }
    return GOPRO_OK;
}

/* What calling a type on the list would give, as a node; no call is made. */
static gopro_status reduce(machine *m)
{
    uint32_t args, callee;
    GP_TRY(pop(m, &args));
    GP_TRY(pop(m, &callee));
    gp_pk *node = m->p->node;
    if (node[callee].kind != GP_PK_TYPE || node[args].kind != GP_PK_TUPLE) return bad(m, "calls something that is no type on the list");
    uint32_t first = gp_pk_item(m->p, args, 0);
    switch ((gp_pk_use)node[callee].first) {
    case GP_USE_TENSOR: {
        gp_pk t = node[args];
        t.kind = GP_PK_TENSOR;
        return push_new(m, t);
    }
    case GP_USE_FIRST: /* a parameter is its tensor, a typed list its list */
        if (first == GP_PK_NIL) return bad(m, "a parameter or list without its value");
        return push(m, first);
    case GP_USE_ORDERED: {
        GP_TRY(push_new(m, (gp_pk){.kind = GP_PK_DICT}));
        return first == GP_PK_NIL ? GOPRO_OK : fill_pairs(m, m->stack[m->n_stack - 1], first);
    }
    case GP_USE_STORAGE:
    case GP_USE_OBJECT:
        break;
    }
    return push_new(m, (gp_pk){.kind = GP_PK_OBJECT});
}

static gopro_status new_object(machine *m)
{
    uint32_t args, type;
    GP_TRY(pop(m, &args));
    GP_TRY(pop(m, &type));
    if (m->p->node[type].kind != GP_PK_TYPE || m->p->node[args].kind != GP_PK_TUPLE)
        return bad(m, "makes an object of no type on the list");
    bool ordered = m->p->node[type].first == GP_USE_ORDERED;
    return push_new(m, (gp_pk){.kind = ordered ? GP_PK_DICT : GP_PK_OBJECT});
}

/* State of an object; what a dictionary or tensor carries beside its contents is of no use here. */
static gopro_status build(machine *m)
{
    uint32_t state, to;
    GP_TRY(pop(m, &state));
    GP_TRY(top(m, &to));
    switch (m->p->node[to].kind) {
    case GP_PK_OBJECT:
        if (m->p->node[to].n) return bad(m, "an object gets its state twice");
        return add_item(m, to, 0, state);
    case GP_PK_DICT:
    case GP_PK_TENSOR:
        return GOPRO_OK;
    case GP_PK_NONE:
    case GP_PK_BOOL:
    case GP_PK_INT:
    case GP_PK_FLOAT:
    case GP_PK_BIG:
    case GP_PK_TEXT:
    case GP_PK_TUPLE:
    case GP_PK_LIST:
    case GP_PK_TYPE:
    case GP_PK_STORAGE:
        break;
    }
    return bad(m, "gives a state to something that has none");
}

static gopro_status persistent(machine *m)
{
    uint32_t id;
    GP_TRY(pop(m, &id));
    gp_pk t = m->p->node[id];
    if (t.kind != GP_PK_TUPLE || !gp_pk_is_text(m->p, gp_pk_item(m->p, id, 0), "storage"))
        return bad(m, "refers to something other than a storage");
    t.kind = GP_PK_STORAGE;
    return push_new(m, t);
}

static gopro_status tuple(machine *m, uint32_t n)
{
    if (m->n_stack - floor_of(m) < n) return bad(m, "takes a value from an empty stack");
    uint32_t from = m->n_stack - n, t;
    GP_TRY(push_new(m, (gp_pk){.kind = GP_PK_TUPLE}));
    t = m->stack[m->n_stack - 1];
    for (uint32_t i = 0; i < n; i++) GP_TRY(add_item(m, t, 0, m->stack[from + i]));
    m->n_stack = from;
    return push(m, t);
}

static gopro_status marked_tuple(machine *m)
{
    uint32_t from;
    GP_TRY(take_mark(m, &from));
    return tuple(m, m->n_stack - from);
}

static gopro_status append(machine *m, uint32_t from)
{
    if (from > m->n_stack || from <= floor_of(m)) return bad(m, "appends to nothing");
    uint32_t to = m->stack[from - 1];
    gp_pk_kind kind = m->p->node[to].kind;
    if (kind != GP_PK_LIST && kind != GP_PK_OBJECT) return bad(m, "appends to something other than a list");
    for (uint32_t i = from; i < m->n_stack && kind == GP_PK_LIST; i++) GP_TRY(add_item(m, to, 0, m->stack[i]));
    m->n_stack = from;
    return GOPRO_OK;
}

static gopro_status set_items(machine *m, uint32_t from)
{
    if (from > m->n_stack || from <= floor_of(m) || (m->n_stack - from) % 2) return bad(m, "sets items of nothing");
    uint32_t to = m->stack[from - 1];
    gp_pk_kind kind = m->p->node[to].kind;
    if (kind != GP_PK_DICT && kind != GP_PK_OBJECT) return bad(m, "sets items of something other than a dictionary");
    for (uint32_t i = from; i < m->n_stack && kind == GP_PK_DICT; i += 2) GP_TRY(add_item(m, to, m->stack[i], m->stack[i + 1]));
    m->n_stack = from;
    return GOPRO_OK;
}

/* ---- memo ---- */

static gopro_status memo_put(machine *m, uint64_t i)
{
    uint32_t v;
    GP_TRY(top(m, &v));
    if (i >= MAX_NODES) return bad(m, "the memo is numbered higher than any file of its kind needs");
    if (i >= m->cap_memo) {
        uint32_t cap = m->cap_memo ? m->cap_memo : 256;
        while (cap <= i) cap *= 2;
        uint32_t *memo = reallocarray(m->memo, cap, sizeof *memo);
        if (!memo) return gp_fail_nomem(m->err, cap * sizeof *memo, m->label);
        memset(memo + m->cap_memo, 0, (cap - m->cap_memo) * sizeof *memo);
        m->memo = memo;
        m->cap_memo = cap;
    }
    m->n_memo += m->memo[i] == 0;
    m->memo[i] = v + 1;
    return GOPRO_OK;
}

static gopro_status memo_get(machine *m, uint64_t i)
{
    if (i >= m->cap_memo || m->memo[i] == 0) return bad(m, "asks for a value that the memo does not have");
    return push(m, m->memo[i] - 1);
}

/* ---- operations ---- */

static gopro_status step_number(machine *m, uint8_t op, bool *known)
{
    uint64_t v = 0;
    switch (op) {
    case 'J': /* BININT */
        GP_TRY(number(m, &v, 4));
        return push_new(m, (gp_pk){.kind = GP_PK_INT, .i = (int32_t)(uint32_t)v});
    case 'K': /* BININT1 */
    case 'M': /* BININT2 */
        GP_TRY(number(m, &v, op == 'K' ? 1 : 2));
        return push_new(m, (gp_pk){.kind = GP_PK_INT, .i = (int64_t)v});
    case 0x8a: /* LONG1 */
        return long_number(m);
    case 'G': /* BINFLOAT, whose value nothing here needs */
        GP_TRY(number(m, &v, 8));
        return push_new(m, (gp_pk){.kind = GP_PK_FLOAT});
    case 'N':
        return push(m, 0);
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        return push_new(m, (gp_pk){.kind = GP_PK_BOOL, .i = op == 0x88});
    case 'X': /* BINUNICODE */
    case 'T': /* BINSTRING */
    case 'B': /* BINBYTES */
        return text(m, 4);
    case 0x8c: /* SHORT_BINUNICODE */
    case 'U':  /* SHORT_BINSTRING */
    case 'C':  /* SHORT_BINBYTES */
        return text(m, 1);
    case 0x8d: /* BINUNICODE8 */
    case 0x8e: /* BINBYTES8 */
        return text(m, 8);
    default:
        *known = false;
        return GOPRO_OK;
    }
}

static gopro_status step_container(machine *m, uint8_t op, bool *known)
{
    uint32_t from = 0;
    switch (op) {
    case ']': /* EMPTY_LIST */
        return push_new(m, (gp_pk){.kind = GP_PK_LIST});
    case '}': /* EMPTY_DICT */
        return push_new(m, (gp_pk){.kind = GP_PK_DICT});
    case ')': /* EMPTY_TUPLE */
        return tuple(m, 0);
    case 0x8f: /* EMPTY_SET */
        return push_new(m, (gp_pk){.kind = GP_PK_OBJECT});
    case 0x85:
    case 0x86:
    case 0x87: /* TUPLE1 to TUPLE3 */
        return tuple(m, op - 0x84u);
    case '(':
        GP_TRY(room(m, &m->mark, m->n_mark, &m->cap_mark, sizeof *m->mark));
        m->mark[m->n_mark++] = m->n_stack;
        return GOPRO_OK;
    case 't': /* TUPLE */
        return marked_tuple(m);
    case 'a': /* APPEND */
        return append(m, m->n_stack ? m->n_stack - 1 : 0);
    case 's': /* SETITEM */
        return set_items(m, m->n_stack > 1 ? m->n_stack - 2 : 0);
    case 'e':  /* APPENDS */
    case 0x90: /* ADDITEMS */
        GP_TRY(take_mark(m, &from));
        return append(m, from);
    case 'u': /* SETITEMS */
        GP_TRY(take_mark(m, &from));
        return set_items(m, from);
    default:
        *known = false;
        return GOPRO_OK;
    }
}

static gopro_status step_object(machine *m, uint8_t op)
{
    uint64_t v = 0;
    uint32_t gone;
    switch (op) {
    case 0x80: /* PROTO */
        GP_TRY(number(m, &v, 1));
        return v >= 2 && v <= 5 ? GOPRO_OK : bad(m, "protocol is not 2 to 5");
    case 0x95: /* FRAME: only a hint */
        return number(m, &v, 8);
    case '.':
        m->stop = true;
        return pop(m, &m->p->root);
    case '0':
        return pop(m, &gone);
    case 'q': /* BINPUT */
    case 'r': /* LONG_BINPUT */
        GP_TRY(number(m, &v, op == 'q' ? 1 : 4));
        return memo_put(m, v);
    case 0x94: /* MEMOIZE */
        return memo_put(m, m->n_memo);
    case 'h': /* BINGET */
    case 'j': /* LONG_BINGET */
        GP_TRY(number(m, &v, op == 'h' ? 1 : 4));
        return memo_get(m, v);
    case 'c':
        return global(m);
    case 0x93:
        return stack_global(m);
    case 'R':
        return reduce(m);
    case 0x81:
        return new_object(m);
    case 'b':
        return build(m);
    case 'Q':
        return persistent(m);
    default:
        m->at--;
        return gp_fail(m->err, GOPRO_E_FORMAT, "%s: pickle, byte %zu: operation 0x%02x is refused; no %s needs it", m->label, m->at, op,
                       m->types->owner);
    }
}

static gopro_status run(machine *m)
{
    GP_TRY(push_new(m, (gp_pk){.kind = GP_PK_NONE}));
    m->n_stack = 0;
    while (!m->stop) {
        const uint8_t *op;
        bool known = true;
        GP_TRY(take(m, &op, 1));
        GP_TRY(step_number(m, *op, &known));
        if (known) continue;
        known = true;
        GP_TRY(step_container(m, *op, &known));
        if (!known) GP_TRY(step_object(m, *op));
    }
    m->p->used = m->at;
    return GOPRO_OK;
}

gopro_status gp_pickle_read(gp_pickle *p, const uint8_t *data, size_t size, const gp_pk_types *types, const char *label, gopro_error *err)
{
    *p = (gp_pickle){0};
    machine m = {.p = p, .data = data, .size = size, .types = types, .label = label, .err = err};
    gopro_status st = run(&m);
    free(m.stack);
    free(m.mark);
    free(m.memo);
    if (st != GOPRO_OK) gp_pickle_free(p);
    return st;
}

void gp_pickle_free(gp_pickle *p)
{
    free(p->node);
    free(p->cell);
    *p = (gp_pickle){0};
}
