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
    MANY = 32,    /* looked at together for a small value: there seldom is one */
    PIECE = 4096, /* stay in the first cache from one step to the next */
    BINADES = 2048
};

typedef struct {
    double total, absolute, squares, largest;
    Py_ssize_t nonfinite, zeros;
} Sums;

typedef struct {
    int64_t *counts; /* of small values, by the exponent of a double */
    void *maxima;    /* of each column */
    Py_ssize_t width, column;
    double below; /* what is small */
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
    Py_buffer values, counts, maxima;
    Py_ssize_t itemsize, column;
    double below;
    Sums sums = {0};
    if (!PyArg_ParseTuple(arguments, "y*ndw*w*n", &values, &itemsize, &below, &counts, &maxima,
                          &column))
        return NULL;
    Task task = {counts.buf, maxima.buf, maxima.len / (itemsize > 0 ? itemsize : 1), column, below};
    int sound = (itemsize == sizeof(float) || itemsize == sizeof(double)) &&
                counts.len == BINADES * (Py_ssize_t)sizeof(int64_t) && column >= 0 &&
                column <= (task.width ? task.width - 1 : 0) &&
                (uintptr_t)values.buf % itemsize == 0 && (uintptr_t)maxima.buf % itemsize == 0;
    if (sound) {
        Py_BEGIN_ALLOW_THREADS
        if (itemsize == sizeof(float))
            all_float32(values.buf, values.len / itemsize, &task, &sums);
        else
            all_float64(values.buf, values.len / itemsize, &task, &sums);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&values);
    PyBuffer_Release(&counts);
    PyBuffer_Release(&maxima);
    if (!sound) {
        PyErr_SetString(PyExc_ValueError, "no aligned floats, or other arrays of the wrong size");
        return NULL;
    }
    return Py_BuildValue("ddddnn", sums.total, sums.absolute, sums.squares, sums.largest,
                         sums.nonfinite, sums.zeros);
}

static PyMethodDef methods[] = {{"add", add, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "regaudit.measures._sums", .m_size = 0, .m_methods = methods};

PyMODINIT_FUNC PyInit__sums(void) { return PyModuleDef_Init(&definition); }
