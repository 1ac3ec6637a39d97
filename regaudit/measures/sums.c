/* Sums over consecutive values, in one pass over them: what `sums.py` does with NumPy in seven.

   Sums are double whatever the type of the values; each of LANES partial sums takes every
   LANES-th value, so that compilers may add several at once without changing the result. */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* One binary for all processors, which takes what the one it runs on can do. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define WIDEST __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDEST
#endif

enum {
    LANES = 16,
    MANY = 64,    /* looked at together for one near zero: there seldom is one */
    PIECE = 4096, /* stay in the first cache from one step to the next */
    BINADES = 2048
};

#define SMALL 0.001

typedef struct {
    double total, absolute, squares;
    Py_ssize_t nonfinite, zeros, small;
} Sums;

typedef struct {
    double total[LANES], absolute[LANES];
    int small[LANES];
} Lanes;

typedef struct {
    int64_t *counts;   /* of values near zero, by the exponent of a double */
    void *maxima;      /* of each column */
    double *by_column; /* squares */
    double *by_input;  /* squares, of `each` values next to each other */
    Py_ssize_t width, inputs, each;
    double below; /* what is near zero */
} Task;

static void count(double value, int64_t *counts, Sums *sums)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    counts[bits >> 52]++;
    sums->zeros += value == 0;
}

#define REAL float
#define SIZE_OF fabsf
#define TYPED(name) name##_float32
#include "sums_typed.h"
#undef REAL
#undef SIZE_OF
#undef TYPED

#define REAL double
#define SIZE_OF fabs
#define TYPED(name) name##_float64
#include "sums_typed.h"

static PyObject *add(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer values, counts, maxima, by_column, by_input;
    Py_ssize_t itemsize, each, start;
    double below;
    Sums sums = {0};
    if (!PyArg_ParseTuple(arguments, "y*ndw*w*w*w*nn", &values, &itemsize, &below, &counts,
                          &maxima, &by_column, &by_input, &each, &start))
        return NULL;
    Task task = {counts.buf, maxima.buf, by_column.buf, by_input.buf,
                 by_column.len / (Py_ssize_t)sizeof(double),
                 by_input.len / (Py_ssize_t)sizeof(double), each, below};
    int sound = (itemsize == sizeof(float) || itemsize == sizeof(double)) &&
                counts.len == BINADES * (Py_ssize_t)sizeof(int64_t) && start >= 0 &&
                task.width > 0 && maxima.len == task.width * itemsize &&
                (each > 0 || !task.inputs) && (uintptr_t)values.buf % itemsize == 0 &&
                (uintptr_t)maxima.buf % itemsize == 0 &&
                (uintptr_t)by_column.buf % sizeof(double) == 0 &&
                (uintptr_t)by_input.buf % sizeof(double) == 0;
    if (sound) {
        Py_BEGIN_ALLOW_THREADS
        if (itemsize == sizeof(float))
            all_float32(values.buf, values.len / itemsize, start, &task, &sums);
        else
            all_float64(values.buf, values.len / itemsize, start, &task, &sums);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&values);
    PyBuffer_Release(&counts);
    PyBuffer_Release(&maxima);
    PyBuffer_Release(&by_column);
    PyBuffer_Release(&by_input);
    if (!sound) {
        PyErr_SetString(PyExc_ValueError, "no aligned floats, or other arrays of the wrong size");
        return NULL;
    }
    return Py_BuildValue("dddnnn", sums.total, sums.absolute, sums.squares, sums.nonfinite,
                         sums.zeros, sums.small);
}

static PyMethodDef methods[] = {{"add", add, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "regaudit.measures._sums", .m_size = 0, .m_methods = methods};

PyMODINIT_FUNC PyInit__sums(void) { return PyModuleDef_Init(&definition); }
