/* The pass over values of one type, included by `sums.c` for each: REAL is the type, SIZE_OF the
   function that drops a sign, TYPED(name) the name of what is defined for it. */

WIDEST static void TYPED(sums)(const REAL *values, Py_ssize_t size, REAL below, int64_t *counts,
                               Sums *sums)
{
    double total[LANES] = {0}, absolute[LANES] = {0}, squares[LANES] = {0};
    REAL largest[LANES] = {0};
    Py_ssize_t at = 0;
    for (; at + MANY <= size; at += MANY) {
        const REAL *many = values + at;
        int small = 0;
        for (int row = 0; row < MANY; row += LANES)
            for (int lane = 0; lane < LANES; lane++) {
                double value = many[row + lane];
                REAL size_of = SIZE_OF(many[row + lane]);
                total[lane] += value;
                absolute[lane] += fabs(value);
                squares[lane] += value * value;
                largest[lane] = size_of > largest[lane] ? size_of : largest[lane];
            }
        for (int index = 0; index < MANY; index++) small += SIZE_OF(many[index]) < below;
        if (small) { /* gathered without branches, which no processor could foresee */
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
        total[0] += value;
        absolute[0] += fabs(value);
        squares[0] += value * value;
        largest[0] = size_of > largest[0] ? size_of : largest[0];
        if (size_of < below) count(size_of, counts, sums);
    }
    for (int lane = 0; lane < LANES; lane++) {
        sums->total += total[lane];
        sums->absolute += absolute[lane];
        sums->squares += squares[lane];
        if (largest[lane] > sums->largest) sums->largest = largest[lane];
    }
}

WIDEST static void TYPED(maxima)(const REAL *values, Py_ssize_t size, REAL *maxima)
{
    for (Py_ssize_t at = 0; at < size; at++) {
        REAL size_of = SIZE_OF(values[at]);
        maxima[at] = size_of > maxima[at] ? size_of : maxima[at];
    }
}

static void TYPED(piece)(const REAL *values, Py_ssize_t size, Task *task, Sums *sums)
{
    REAL blanked[PIECE];
    const REAL *original = values;
    Sums found = {0};
    TYPED(sums)(values, size, (REAL)task->below, task->counts, &found);
    if (!isfinite(found.squares)) { /* or there are doubles whose squares overflow */
        Py_ssize_t zeros = found.zeros, nonfinite = 0;
        for (Py_ssize_t at = 0; at < size; at++) {
            blanked[at] = isfinite(values[at]) ? values[at] : 0;
            nonfinite += !isfinite(values[at]);
        }
        values = blanked;
        found = (Sums){.zeros = zeros, .nonfinite = nonfinite};
        TYPED(sums)(values, size, 0, task->counts, &found); /* counts nothing again */
        if (nonfinite) /* a column that has one is not dead */
            for (Py_ssize_t at = 0; at < size; at++)
                if (!isfinite(original[at])) blanked[at] = (REAL)INFINITY;
    }
    sums->total += found.total;
    sums->absolute += found.absolute;
    sums->squares += found.squares;
    if (found.largest > sums->largest) sums->largest = found.largest;
    sums->nonfinite += found.nonfinite;
    sums->zeros += found.zeros;
    for (Py_ssize_t at = 0, room; task->width && at < size; at += room) {
        room = task->width - task->column;
        if (room > size - at) room = size - at;
        TYPED(maxima)(values + at, room, (REAL *)task->maxima + task->column);
        task->column = (task->column + room) % task->width;
    }
}

static void TYPED(all)(const REAL *values, Py_ssize_t size, Task *task, Sums *sums)
{
    for (; size > PIECE; values += PIECE, size -= PIECE) TYPED(piece)(values, PIECE, task, sums);
    TYPED(piece)(values, size, task, sums);
}
