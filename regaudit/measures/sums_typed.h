/* The pass over values of one type, included by `sums.c` for each: REAL is the type, SIZE_OF the
   function that drops a sign, TYPED(name) the name of what is defined for it. */

/* Values in columns that lie next to each other, and of one input where there are any; returns
   the sum of their squares. */
WIDEST static double TYPED(run)(const REAL *restrict values, Py_ssize_t size, REAL below,
                                REAL *restrict maxima, double *restrict by_column,
                                Lanes *restrict lanes, int64_t *counts, Sums *sums)
{
    Lanes sum = *lanes;
    double squares[LANES] = {0}, all = 0;
    Py_ssize_t at = 0;
    for (; at + MANY <= size; at += MANY) {
        const REAL *many = values + at;
        int near = 0;
        for (int row = 0; row < MANY; row += LANES)
            for (int lane = 0; lane < LANES; lane++) {
                Py_ssize_t column = at + row + lane;
                double value = many[row + lane], square = value * value;
                REAL size_of = SIZE_OF(many[row + lane]), high = maxima[column];
                sum.total[lane] += value;
                sum.absolute[lane] += fabs(value);
                sum.small[lane] += size_of < (REAL)SMALL;
                squares[lane] += square;
                by_column[column] += square;
                maxima[column] = size_of > high ? size_of : high;
            }
        for (int index = 0; index < MANY; index++) near += SIZE_OF(many[index]) < below;
        if (near) { /* gathered without branches, which no processor could foresee */
            REAL found[MANY];
            int next = 0;
            for (int index = 0; index < MANY; index++) {
                found[next] = SIZE_OF(many[index]);
                next += found[next] < below;
            }
            for (int index = 0; index < next; index++) count(found[index], counts, sums);
        }
    }
    for (; at < size; at++) {
        double value = values[at];
        REAL size_of = SIZE_OF(values[at]);
        sum.total[0] += value;
        sum.absolute[0] += fabs(value);
        sum.small[0] += size_of < (REAL)SMALL;
        all += value * value;
        by_column[at] += value * value;
        maxima[at] = size_of > maxima[at] ? size_of : maxima[at];
        if (size_of < below) count(size_of, counts, sums);
    }
    *lanes = sum;
    for (int lane = 0; lane < LANES; lane++) all += squares[lane];
    return all;
}

/* Cut at the end of a row of columns, and where the next input begins. */
static void TYPED(sums)(const REAL *values, Py_ssize_t size, Py_ssize_t start, REAL below,
                        Task *task, Sums *sums)
{
    Lanes lanes = {{0}};
    Py_ssize_t column = start % task->width, row = 0, inside = 0;
    if (task->inputs) {
        row = start / task->each % task->inputs;
        inside = start % task->each;
    }
    for (Py_ssize_t at = 0, room; at < size; at += room) {
        room = task->width - column;
        if (room > size - at) room = size - at;
        if (task->inputs && room > task->each - inside) room = task->each - inside;
        double found = TYPED(run)(values + at, room, below, (REAL *)task->maxima + column,
                                  task->by_column + column, &lanes, task->counts, sums);
        sums->squares += found;
        column += room;
        if (column == task->width) column = 0;
        if (!task->inputs) continue;
        task->by_input[row] += found;
        inside += room;
        if (inside == task->each) {
            inside = 0;
            if (++row == task->inputs) row = 0;
        }
    }
    for (int lane = 0; lane < LANES; lane++) {
        sums->total += lanes.total[lane];
        sums->absolute += lanes.absolute[lane];
        sums->small += lanes.small[lane];
    }
}

static void TYPED(piece)(const REAL *values, Py_ssize_t size, Py_ssize_t start, Task *task,
                         Sums *sums)
{
    Sums found = {0};
    TYPED(sums)(values, size, start, (REAL)task->below, task, &found);
    if (!isfinite(found.squares)) { /* or there are doubles whose squares overflow */
        REAL blanked[PIECE];
        Py_ssize_t zeros = found.zeros, nonfinite = 0;
        REAL *maxima = task->maxima;
        for (Py_ssize_t at = 0; at < size; at++) {
            blanked[at] = isfinite(values[at]) ? values[at] : 0;
            nonfinite += !isfinite(values[at]);
        }
        found = (Sums){.zeros = zeros, .nonfinite = nonfinite, .small = -nonfinite};
        TYPED(sums)(blanked, size, start, 0, task, &found); /* counts no exponents again */
        if (nonfinite) /* a column that has one is not dead */
            for (Py_ssize_t at = 0; at < size; at++)
                if (!isfinite(values[at])) maxima[(start + at) % task->width] = (REAL)INFINITY;
    }
    sums->total += found.total;
    sums->absolute += found.absolute;
    sums->squares += found.squares;
    sums->nonfinite += found.nonfinite;
    sums->zeros += found.zeros;
    sums->small += found.small;
}

static void TYPED(all)(const REAL *values, Py_ssize_t size, Py_ssize_t start, Task *task,
                       Sums *sums)
{
    for (; size > PIECE; values += PIECE, start += PIECE, size -= PIECE)
        TYPED(piece)(values, PIECE, start, task, sums);
    TYPED(piece)(values, size, start, task, sums);
}
