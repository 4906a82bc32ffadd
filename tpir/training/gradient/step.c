/* One step of many runs: the loss of each, and its gradients by the choices and the readout. Or what
   they predict.

   The model is that of relaxed.py, for a few inputs at a time, one in each lane of a vector
   register: all that a block of inputs needs stays in a core's cache, from its tokens to its
   gradients. Arrays run [variable, value, position], each number a vector of lanes; those of
   parameters are as in layout.py. Positions beyond the longest input of a block are left out.

   Runs are independent: how many there are, and on how many threads, changes no bit of any. */

#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
#define MASKED (-1e30f)

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int flags __attribute__((vector_size(4 * LANES)));

typedef struct {
    int d, context, layers, cat_heads, num_heads, cat_mlps, num_mlps, inputs, ones, labels;
    int causal, pooled, pad; /* pad is the token id of padding, or -1 */
    int size, weights;       /* parameters of a run: choices, readout */
} Sizes;

/* ---- Sums of products ---- */

static inline __attribute__((always_inline)) void
mix_tile(int R, int vars, const float *w, long wr, long wv, const lanes *x, long xs, long n,
         lanes *out, long os, int add)
{
    for (long i = 0; i < n; i++) {
        lanes sum[8];
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) sum[r] = add ? out[r * os + i] : (lanes){0};
        const float *row = w;
        for (int v = 0; v < vars; v++, row += wv) {
            lanes value = x[v * xs + i];
#pragma GCC unroll 8
            for (int r = 0; r < R; r++) sum[r] += row[r * wr] * value;
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) out[r * os + i] = sum[r];
    }
}

/* out[r, i] = sum over v of w[r, v] * x[v, i], added to what is there where add is 1. */
static __attribute__((noinline)) void
mix(int readers, int vars, const float *w, long wr, long wv, const lanes *x, long xs, long n,
    lanes *out, long os, int add)
{
    int r = 0;
    for (; r + 8 <= readers; r += 8)
        mix_tile(8, vars, w + r * wr, wr, wv, x, xs, n, out + r * os, os, add);
    for (; r + 4 <= readers; r += 4)
        mix_tile(4, vars, w + r * wr, wr, wv, x, xs, n, out + r * os, os, add);
    for (; r + 2 <= readers; r += 2)
        mix_tile(2, vars, w + r * wr, wr, wv, x, xs, n, out + r * os, os, add);
    for (; r < readers; r++)
        mix_tile(1, vars, w + r * wr, wr, wv, x, xs, n, out + r * os, os, add);
}

static inline __attribute__((always_inline)) void
dot_tile(int I, int J, long n, const lanes *a, long ai, long ak, const lanes *b, long bj, long bk,
         lanes *c, long ci, long cj, int add)
{
    lanes sum[4][4];
#pragma GCC unroll 4
    for (int i = 0; i < I; i++)
#pragma GCC unroll 4
        for (int j = 0; j < J; j++) sum[i][j] = add ? c[i * ci + j * cj] : (lanes){0};
    for (long k = 0; k < n; k++, a += ak, b += bk) {
        lanes right[4];
#pragma GCC unroll 4
        for (int j = 0; j < J; j++) right[j] = b[j * bj];
#pragma GCC unroll 4
        for (int i = 0; i < I; i++) {
            lanes left = a[i * ai];
#pragma GCC unroll 4
            for (int j = 0; j < J; j++) sum[i][j] += left * right[j];
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < I; i++)
#pragma GCC unroll 4
        for (int j = 0; j < J; j++) c[i * ci + j * cj] = sum[i][j];
}

static inline __attribute__((always_inline)) void
dot_row(int I, int nj, long n, const lanes *a, long ai, long ak, const lanes *b, long bj, long bk,
        lanes *c, long ci, long cj, int add)
{
    int j = 0;
    for (; j + 4 <= nj; j += 4)
        dot_tile(I, 4, n, a, ai, ak, b + j * bj, bj, bk, c + j * cj, ci, cj, add);
    for (; j + 2 <= nj; j += 2)
        dot_tile(I, 2, n, a, ai, ak, b + j * bj, bj, bk, c + j * cj, ci, cj, add);
    for (; j < nj; j++)
        dot_tile(I, 1, n, a, ai, ak, b + j * bj, bj, bk, c + j * cj, ci, cj, add);
}

/* c[i, j] = sum over k of a[i, k] * b[j, k], added to what is there where add is 1. */
static __attribute__((noinline)) void
dot(int ni, int nj, long n, const lanes *a, long ai, long ak, const lanes *b, long bj, long bk,
    lanes *c, long ci, long cj, int add)
{
    int i = 0;
    for (; i + 4 <= ni; i += 4)
        dot_row(4, nj, n, a + i * ai, ai, ak, b, bj, bk, c + i * ci, ci, cj, add);
    for (; i + 2 <= ni; i += 2)
        dot_row(2, nj, n, a + i * ai, ai, ak, b, bj, bk, c + i * ci, ci, cj, add);
    for (; i < ni; i++)
        dot_row(1, nj, n, a + i * ai, ai, ak, b, bj, bk, c + i * ci, ci, cj, add);
}

static inline lanes where(flags condition, lanes value)
{
    return (lanes)(condition & (flags)value);
}

/* ---- A block of inputs ---- */

typedef struct {
    Sizes s;
    int heads, mlps, readers, rows, fixed, variables, numbers, length;
    const int *order;                          /* keys by preference [query, rank] */
    const int *tokens, *targets, *shown;       /* [position, lane], [position, lane], [label] */
    const float *soft, *readout;
    lanes *of_soft, *of_readout;               /* gradients */
    lanes *x, *of_x, *number, *of_number;      /* [variable, value, position], [number, position] */
    lanes *read, *summed, *given;              /* by layer: of heads; of counts; of MLPs */
    lanes *matches, *reached, *wanted;         /* by layer and head: [query, key]; [value, query] */
    lanes *present;                            /* [position] */
    lanes *levels, *of_rows;                   /* of an MLP */
    lanes *of_read, *of_given, *of_matches, *weights, *of_wanted, *logits;
    int *predicted;                            /* as targets, NULL where losses are wanted */
    float loss;
} Block;

static long power(long base, int exponent)
{
    long found = 1;
    while (exponent--) found *= base;
    return found;
}

static int cat_variables(const Block *b, int layer)
{
    return b->fixed + layer * (b->s.cat_heads + b->mlps);
}

static int num_variables(const Block *b, int layer) { return b->s.ones + layer * b->s.num_heads; }

/* Where the choices of readers of a layer stand among all choices. */
typedef struct { long predicates, tables, reads, sums, cat_inputs, num_inputs; } Places;

static Places places_of(const Block *b, int layer)
{
    const Sizes *s = &b->s;
    long d = s->d;
    Places p;
    long at = s->layers * b->heads * d * d;
    p.predicates = layer * b->heads * d * d;
    p.tables = at + layer * b->mlps * d * b->rows;
    at += s->layers * b->mlps * d * b->rows;
    for (int l = 0; l <= layer; l++) {
        p.reads = at, at += (long)b->readers * cat_variables(b, l);
        p.sums = at, at += (long)s->num_heads * num_variables(b, l);
        p.cat_inputs = at, at += (long)s->cat_mlps * s->inputs * (cat_variables(b, l) + s->cat_heads);
        p.num_inputs = at, at += (long)s->num_mlps * s->inputs * num_variables(b, l + 1);
    }
    return p;
}

static void embed(Block *b)
{
    int d = b->s.d, n = b->length;
    for (int p = 0; p < n; p++) {
        flags token;
        memcpy(&token, b->tokens + p * LANES, sizeof token);
        for (int v = 0; v < d; v++) {
            flags value = (flags){0} + v;
            b->x[v * n + p] = where(token == value, (lanes){0} + 1);
            b->x[(d + v) * n + p] = (lanes){0} + (float)(v == p);
        }
        flags padding = (flags){0} + b->s.pad;
        b->present[p] = where(token != padding, (lanes){0} + 1);
    }
    for (int k = 0; k < b->s.ones * n; k++) b->number[k] = (lanes){0} + 1;
}

/* Weights of keys from chances to match; reached is the chance that a key is come to. */
static void choose(const Block *b, const lanes *matches, lanes *reached, lanes *weights)
{
    int n = b->length;
    for (int q = 0; q < n; q++) {
        lanes rest = (lanes){0} + 1;
        for (int rank = 0; rank < b->s.context; rank++) {
            int key = b->order[q * b->s.context + rank];
            if (key >= n) continue;
            int at = q * n + key;
            reached[at] = rest;
            weights[at] = matches[at] * rest;
            rest -= weights[at];
        }
        weights[q * n] += rest;
    }
}

static void choose_backward(const Block *b, const lanes *matches, const lanes *reached,
                            const lanes *of_weights, lanes *of_matches)
{
    int n = b->length;
    for (int q = 0; q < n; q++) {
        lanes of_rest = of_weights[q * n];
        for (int rank = b->s.context - 1; rank >= 0; rank--) {
            int key = b->order[q * b->s.context + rank];
            if (key >= n) continue;
            int at = q * n + key;
            lanes difference = of_weights[at] - of_rest;
            of_rest += difference * matches[at];
            of_matches[at] = difference * reached[at];
        }
    }
}

static void weigh(const Block *b, const lanes *matches, const lanes *reached, lanes *weights)
{
    int n = b->length;
    for (int q = 0; q < n; q++) {
        lanes rest = (lanes){0} + 1;
        for (int k = 0; k < n; k++) {
            weights[q * n + k] = matches[q * n + k] * reached[q * n + k];
            rest -= weights[q * n + k];
        }
        weights[q * n] += rest;
    }
}

static void attend(Block *b, int layer)
{
    const Sizes *s = &b->s;
    long d = s->d, n = b->length, dn = d * n, nn = n * n;
    Places at = places_of(b, layer);
    lanes *read = b->read + layer * b->readers * dn;
    lanes *queries = read + b->heads * dn, *values = queries + b->heads * dn;
    lanes *summed = b->summed + layer * s->num_heads * n;
    int variables = cat_variables(b, layer), numbers = num_variables(b, layer);
    mix(b->readers, variables, b->soft + at.reads, variables, 1, b->x, dn, dn, read, dn, 0);
    for (long k = 0; k < b->heads * d; k++)
        for (int p = 0; p < n; p++) read[k * n + p] *= b->present[p];
    mix(s->num_heads, numbers, b->soft + at.sums, numbers, 1, b->number, n, n, summed, n, 0);
    for (int h = 0; h < b->heads; h++) {
        long unit = layer * b->heads + h;
        lanes *wanted = b->wanted + unit * dn, *matches = b->matches + unit * nn;
        const float *predicate = b->soft + at.predicates + h * d * d;
        mix(d, d, predicate, d, 1, queries + h * dn, n, n, wanted, n, 0);
        dot(n, n, d, wanted, 1, n, read + h * dn, 1, n, matches, n, 1, 0);
        if (s->causal)
            for (int q = 0; q < n; q++)
                for (int k = q + 1; k < n; k++) matches[q * n + k] = (lanes){0};
        if (h < s->cat_heads) {
            lanes *out = b->x + (variables + h) * dn;
            choose(b, matches, b->reached + unit * nn, b->weights);
            dot(d, n, n, values + h * dn, n, 1, b->weights, n, 1, out, n, 1, 0);
        } else {
            int k = h - s->cat_heads;
            lanes *out = b->number + (numbers + k) * n;
            dot(1, n, n, summed + k * n, n, 1, matches, n, 1, out, n, 1, 0);
        }
    }
}

static void attend_backward(Block *b, int layer)
{
    const Sizes *s = &b->s;
    long d = s->d, n = b->length, dn = d * n, nn = n * n;
    Places at = places_of(b, layer);
    const lanes *read = b->read + layer * b->readers * dn;
    const lanes *queries = read + b->heads * dn, *values = queries + b->heads * dn;
    const lanes *summed = b->summed + layer * s->num_heads * n;
    lanes *of_queries = b->of_read + b->heads * dn, *of_values = of_queries + b->heads * dn;
    int variables = cat_variables(b, layer), numbers = num_variables(b, layer);
    for (int h = 0; h < b->heads; h++) {
        long unit = layer * b->heads + h;
        const lanes *wanted = b->wanted + unit * dn, *matches = b->matches + unit * nn;
        lanes *of_matches = b->of_matches, *of_keys = b->of_read + h * dn;
        if (h < s->cat_heads) {
            const lanes *of_out = b->of_x + (variables + h) * dn;
            const lanes *reached = b->reached + unit * nn;
            weigh(b, matches, reached, b->weights);
            dot(d, n, n, of_out, n, 1, b->weights, 1, n, of_values + h * dn, n, 1, 0);
            dot(n, n, d, of_out, 1, n, values + h * dn, 1, n, b->weights, n, 1, 0);
            choose_backward(b, matches, reached, b->weights, of_matches);
        } else {
            int k = h - s->cat_heads;
            const lanes *of_out = b->of_number + (numbers + k) * n, *each = summed + k * n;
            lanes *of_each = b->weights + k * n;
            for (int q = 0; q < n; q++)
                for (int key = 0; key < n; key++) of_matches[q * n + key] = of_out[q] * each[key];
            dot(1, n, n, of_out, n, 1, matches, 1, n, of_each, n, 1, 0);
        }
        if (s->causal)
            for (int q = 0; q < n; q++)
                for (int k = q + 1; k < n; k++) of_matches[q * n + k] = (lanes){0};
        dot(d, n, n, read + h * dn, n, 1, of_matches, n, 1, b->of_wanted, n, 1, 0);
        dot(d, n, n, wanted, n, 1, of_matches, 1, n, of_keys, n, 1, 0);
        const float *predicate = b->soft + at.predicates + h * d * d;
        lanes *of_predicate = b->of_soft + at.predicates + h * d * d;
        mix(d, d, predicate, 1, d, b->of_wanted, n, n, of_queries + h * dn, n, 0);
        dot(d, d, n, b->of_wanted, n, 1, queries + h * dn, n, 1, of_predicate, d, 1, 1);
    }
    /* Numbers last: of_each of all heads stand where the weights of one were. */
    int learnt = numbers - s->ones;
    if (learnt)
        mix(learnt, s->num_heads, b->soft + at.sums + s->ones, 1, numbers, b->weights, n, n,
            b->of_number + s->ones * n, n, 1);
    dot(s->num_heads, numbers, n, b->weights, n, 1, b->number, n, 1, b->of_soft + at.sums, numbers,
        1, 1);
    for (long k = 0; k < b->heads * d; k++)
        for (int p = 0; p < n; p++) b->of_read[k * n + p] *= b->present[p];
    mix(variables - b->fixed, b->readers, b->soft + at.reads + b->fixed, 1, variables, b->of_read,
        dn, dn, b->of_x + b->fixed * dn, dn, 1);
    dot(b->readers, variables, dn, b->of_read, dn, 1, b->x, dn, 1, b->of_soft + at.reads, variables,
        1, 1);
}

/* Weights of combinations of values, input after input: those of all inputs come last. */
static const lanes *combine(Block *b, const lanes *given)
{
    long d = b->s.d, n = b->length, dn = d * n, count = d;
    lanes *before = b->levels;
    memcpy(before, given, dn * sizeof(lanes));
    for (int i = 1; i < b->s.inputs; i++, count *= d) {
        const lanes *values = given + i * dn;
        lanes *now = before + count * n;
        for (long r = 0; r < count; r++)
            for (long v = 0; v < d; v++)
                for (long p = 0; p < n; p++)
                    now[(r * d + v) * n + p] = before[r * n + p] * values[v * n + p];
        before = now;
    }
    return before;
}

/* The gradients of the values given, from b->of_rows, after combine. */
static void share_out(Block *b, const lanes *given, lanes *of_given)
{
    long d = b->s.d, n = b->length, dn = d * n, count = b->rows / d;
    lanes *before = b->levels;
    for (int i = 1; i < b->s.inputs - 1; i++) before += power(d, i) * n;
    for (int i = b->s.inputs - 1; i > 0; i--) {
        const lanes *values = given + i * dn;
        lanes *found = of_given + i * dn;
        memset(found, 0, dn * sizeof(lanes));
        for (long r = 0; r < count; r++)
            for (long p = 0; p < n; p++) {
                lanes sum = (lanes){0}, row = before[r * n + p];
                for (long v = 0; v < d; v++) {
                    lanes of = b->of_rows[(r * d + v) * n + p];
                    found[v * n + p] += of * row;
                    sum += of * values[v * n + p];
                }
                b->of_rows[r * n + p] = sum;
            }
        count /= d;
        before -= count * n;
    }
    memcpy(of_given, b->of_rows, dn * sizeof(lanes));
}

static lanes clipped(lanes number, float most)
{
    lanes low = where(number > 0, number), top = (lanes){0} + most;
    return where(low < top, low) + where(low >= top, top);
}

static void as_categories(const Block *b, const lanes *numbers, lanes *values)
{
    int d = b->s.d, n = b->length;
    for (int p = 0; p < n; p++) {
        lanes number = clipped(numbers[p], d - 1);
        for (int v = 0; v < d; v++) {
            lanes away = number - (float)v;
            lanes share = 1 - (where(away > 0, away) - where(away < 0, away));
            values[v * n + p] = where(share > 0, share);
        }
    }
}

static void as_categories_backward(const Block *b, const lanes *numbers, const lanes *of_values,
                                   lanes *of_numbers)
{
    int d = b->s.d, n = b->length;
    for (int p = 0; p < n; p++) {
        lanes number = numbers[p], sum = (lanes){0};
        for (int v = 0; v < d; v++) {
            lanes away = number - (float)v, of = of_values[v * n + p];
            sum += where((away < 0) & (away > -1), of) - where((away > 0) & (away < 1), of);
        }
        of_numbers[p] = where((number >= 0) & (number <= (float)(d - 1)), sum);
    }
}

static void look_up(Block *b, int layer)
{
    const Sizes *s = &b->s;
    long d = s->d, n = b->length, dn = d * n;
    Places at = places_of(b, layer);
    int variables = cat_variables(b, layer) + s->cat_heads, numbers = num_variables(b, layer + 1);
    int cat = s->cat_mlps * s->inputs, num = s->num_mlps * s->inputs;
    lanes *given = b->given + layer * b->mlps * s->inputs * dn;
    mix(cat, variables, b->soft + at.cat_inputs, variables, 1, b->x, dn, dn, given, dn, 0);
    mix(num, numbers, b->soft + at.num_inputs, numbers, 1, b->number, n, n, b->of_given, n, 0);
    for (int k = 0; k < num; k++) as_categories(b, b->of_given + k * n, given + (cat + k) * dn);
    for (int m = 0; m < b->mlps; m++) {
        const lanes *rows = combine(b, given + m * s->inputs * dn);
        const float *table = b->soft + at.tables + m * d * b->rows;
        mix(d, b->rows, table, b->rows, 1, rows, n, n, b->x + (variables + m) * dn, n, 0);
    }
}

static void look_up_backward(Block *b, int layer)
{
    const Sizes *s = &b->s;
    long d = s->d, n = b->length, dn = d * n;
    Places at = places_of(b, layer);
    int variables = cat_variables(b, layer) + s->cat_heads, numbers = num_variables(b, layer + 1);
    int cat = s->cat_mlps * s->inputs, num = s->num_mlps * s->inputs;
    const lanes *given = b->given + layer * b->mlps * s->inputs * dn;
    for (int m = 0; m < b->mlps; m++) {
        const lanes *of_out = b->of_x + (variables + m) * dn;
        const lanes *rows = combine(b, given + m * s->inputs * dn);
        long table = at.tables + m * d * b->rows;
        dot(d, b->rows, n, of_out, n, 1, rows, n, 1, b->of_soft + table, b->rows, 1, 1);
        mix(b->rows, d, b->soft + table, 1, b->rows, of_out, n, n, b->of_rows, n, 0);
        share_out(b, given + m * s->inputs * dn, b->of_given + m * s->inputs * dn);
    }
    mix(variables - b->fixed, cat, b->soft + at.cat_inputs + b->fixed, 1, variables, b->of_given, dn,
        dn, b->of_x + b->fixed * dn, dn, 1);
    dot(cat, variables, dn, b->of_given, dn, 1, b->x, dn, 1, b->of_soft + at.cat_inputs, variables, 1,
        1);
    if (!num) return;
    lanes *read = b->of_rows, *of_read = read + num * n;
    mix(num, numbers, b->soft + at.num_inputs, numbers, 1, b->number, n, n, read, n, 0);
    for (int k = 0; k < num; k++)
        as_categories_backward(b, read + k * n, b->of_given + (cat + k) * dn, of_read + k * n);
    mix(numbers - s->ones, num, b->soft + at.num_inputs + s->ones, 1, numbers, of_read, n, n,
        b->of_number + s->ones * n, n, 1);
    dot(num, numbers, n, of_read, n, 1, b->number, n, 1, b->of_soft + at.num_inputs, numbers, 1, 1);
}

/* Cross entropy at one place, of logits [label, place]: they become its gradient. */
static float cross_entropy(const Block *b, lanes *logits, long n, const int *targets, float scale)
{
    float total = 0;
    for (int lane = 0; lane < LANES; lane++) {
        float top = MASKED, sum = 0;
        for (int k = 0; k < b->s.labels; k++)
            if (b->shown[k] && logits[k * n][lane] > top) top = logits[k * n][lane];
        int target = targets[lane];
        if (target >= 0) total -= b->shown[target] ? logits[target * n][lane] - top : MASKED;
        for (int k = 0; k < b->s.labels; k++) {
            float each = b->shown[k] ? expf(logits[k * n][lane] - top) : 0;
            logits[k * n][lane] = each;
            sum += each;
        }
        if (target >= 0) total += logf(sum);
        float each = target >= 0 ? scale / sum : 0;
        for (int k = 0; k < b->s.labels; k++) logits[k * n][lane] *= each;
        if (target >= 0) logits[target * n][lane] -= scale;
    }
    return total * scale;
}

/* The best label at one place, of equals the first. */
static void predict(const Block *b, const lanes *logits, long n, int *predicted)
{
    for (int lane = 0; lane < LANES; lane++) {
        int best = -1;
        for (int k = 0; k < b->s.labels; k++)
            if (b->shown[k] && (best < 0 || logits[k * n][lane] > logits[best * n][lane])) best = k;
        predicted[lane] = best;
    }
}

static void read_out(Block *b, float scale)
{
    const Sizes *s = &b->s;
    long d = s->d, n = b->length, values = b->variables * d, features = values + b->numbers;
    lanes *logits = b->logits, *pooled = logits + s->labels * n;
    int counted = s->causal ? 1 : n;
    mix(s->labels, values, b->readout, features, 1, b->x, n, n, logits, n, 0);
    mix(s->labels, b->numbers, b->readout + values, features, 1, b->number, n, n, logits, n, 1);
    for (int k = 0; s->pooled && k < s->labels; k++) {
        pooled[k] = (lanes){0};
        for (int p = 0; p < counted; p++) pooled[k] += logits[k * n + p] * b->present[p];
        pooled[k] /= (float)s->context;
    }
    for (int p = 0; p < (s->pooled ? 1 : n); p++) {
        lanes *place = s->pooled ? pooled : logits + p;
        long stride = s->pooled ? 1 : n;
        if (b->predicted)
            predict(b, place, stride, b->predicted + p * LANES);
        else
            b->loss += cross_entropy(b, place, stride, b->targets + p * LANES, scale);
    }
    if (b->predicted) return;
    for (int k = 0; s->pooled && k < s->labels; k++)
        for (int p = 0; p < n; p++)
            logits[k * n + p] =
                p < counted ? pooled[k] * b->present[p] / (float)s->context : (lanes){0};
    long fixed = b->fixed * d;
    mix(values - fixed, s->labels, b->readout + fixed, 1, features, logits, n, n,
        b->of_x + fixed * n, n, 0);
    mix(b->numbers, s->labels, b->readout + values, 1, features, logits, n, n, b->of_number, n, 0);
    dot(s->labels, values, n, logits, n, 1, b->x, n, 1, b->of_readout, features, 1, 1);
    dot(s->labels, b->numbers, n, logits, n, 1, b->number, n, 1, b->of_readout + values, features, 1,
        1);
}

static void run_block(Block *b, float scale)
{
    embed(b);
    for (int layer = 0; layer < b->s.layers; layer++) {
        if (b->heads) attend(b, layer);
        if (b->mlps) look_up(b, layer);
    }
    read_out(b, scale);
    if (b->predicted) return;
    for (int layer = b->s.layers - 1; layer >= 0; layer--) {
        if (b->mlps) look_up_backward(b, layer);
        if (b->heads) attend_backward(b, layer);
    }
}

/* ---- Many runs ---- */

/* Denormals are slow, and nothing here is the worse for zeros. Gives what the thread had before. */
static unsigned flush_denormals(void)
{
#ifdef __SSE__
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#else
    return 0;
#endif
}

static void restore_denormals(unsigned before)
{
#ifdef __SSE__
    _mm_setcsr(before);
#else
    (void)before;
#endif
}

static long most(long a, long b) { return a > b ? a : b; }

/* Room for a block of the longest inputs and for the gradients of a run; NULL if there is none. */
static lanes *make_room(Block *b)
{
    const Sizes *s = &b->s;
    long d = s->d, n = s->context, dn = d * n, nn = n * n, units = s->layers * b->heads;
    long inputs = b->mlps * s->inputs, levels = 0;
    for (int i = 1; i <= s->inputs; i++) levels += power(d, i) * n;
    struct { lanes **place; long size; } parts[] = {
        {&b->of_soft, s->size}, {&b->of_readout, s->weights},
        {&b->x, b->variables * dn}, {&b->of_x, b->variables * dn},
        {&b->number, b->numbers * n}, {&b->of_number, b->numbers * n},
        {&b->read, s->layers * b->readers * dn}, {&b->summed, s->layers * s->num_heads * n},
        {&b->given, s->layers * inputs * dn}, {&b->matches, units * nn}, {&b->reached, units * nn},
        {&b->wanted, units * dn}, {&b->present, n}, {&b->levels, levels},
        {&b->of_rows, most(b->rows * n, 2 * inputs * n)}, {&b->of_read, b->readers * dn},
        {&b->of_given, inputs * dn}, {&b->of_matches, nn},
        {&b->weights, most(nn, s->num_heads * n)}, {&b->of_wanted, dn},
        {&b->logits, s->labels * (n + 1)},
    };
    long total = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) total += parts[i].size;
    lanes *room = aligned_alloc(sizeof(lanes), most(total, 1) * sizeof(lanes)), *next = room;
    for (size_t i = 0; room && i < sizeof parts / sizeof *parts; i++) {
        *parts[i].place = next;
        next += parts[i].size;
    }
    return room;
}

static void add_lanes(const lanes *from, float *to, long count)
{
    for (long i = 0; i < count; i++) {
        float sum = 0;
        for (int lane = 0; lane < LANES; lane++) sum += from[i][lane];
        to[i] = sum;
    }
}

int lanes_of_step(void) { return LANES; }

/* Losses [run] and gradients of soft [run, size] and readout [run, weights]; or, where predicted is
   not NULL, that alone: [run, block, position, lane].

   tokens and targets are [block, position, lane]; lengths [block] say how many positions count;
   a negative target is none. order is [query, rank], shown [label]. scale weighs each label. Gives
   1 where there is no memory. */
int step(const Sizes *sizes, int runs, int threads, int blocks, const int *lengths,
         const int *tokens, const int *targets, const int *order, const int *shown, float scale,
         const float *soft, const float *readout, float *losses, float *of_soft, float *of_readout,
         int *predicted)
{
    int failed = 0;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (long run = 0; run < runs; run++) {
        const Sizes *s = sizes;
        Block b = {.s = *s, .order = order, .shown = shown, .fixed = 2};
        b.heads = s->cat_heads + s->num_heads;
        b.mlps = s->cat_mlps + s->num_mlps;
        b.readers = 2 * b.heads + s->cat_heads;
        b.rows = power(s->d, s->inputs);
        b.variables = cat_variables(&b, s->layers);
        b.numbers = num_variables(&b, s->layers);
        b.soft = soft + run * s->size;
        b.readout = readout + run * s->weights;
        lanes *room = make_room(&b);
        if (!room) {
            failed = 1;
            continue;
        }
        unsigned before = flush_denormals();
        memset(b.of_soft, 0, (s->size + s->weights) * sizeof(lanes));
        for (long block = 0; block < blocks; block++) {
            b.length = lengths[block];
            b.tokens = tokens + block * s->context * LANES;
            if (targets) b.targets = targets + block * s->context * LANES;
            if (predicted) b.predicted = predicted + (run * blocks + block) * s->context * LANES;
            run_block(&b, scale);
        }
        if (!predicted) {
            losses[run] = b.loss;
            add_lanes(b.of_soft, of_soft + run * s->size, s->size);
            add_lanes(b.of_readout, of_readout + run * s->weights, s->weights);
        }
        restore_denormals(before);
        free(room);
    }
    return failed;
}
