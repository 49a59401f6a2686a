/* PAD, CONCATENATION, SPLIT, SLICE, TRANSPOSE and all others that only move bytes: a list of strided block copies. */
#ifndef TFLM_MCUNET_COPY_H
#define TFLM_MCUNET_COPY_H

#include "mcu_rows.h"

/* One block per step from `input` to `output`: `lines` times `runs` times `run_bytes` contiguous bytes.

   A block begins in_offset and out_offset bytes into the tensors in step `start`. The later steps in which there is one, and
   where it begins then, follow from `axes`, the slowest first: {steps apart, count, bytes apart in input, in output}.
   A block either stays within one row of a tensor or the tensor's rows are dense. */
struct mcu_move {
    const struct mcu_tensor *input, *output;
    const int32_t *axes;
    int32_t axes_count;
    int32_t start, in_offset, out_offset;
    int32_t lines, line_in, line_out;
    int32_t runs, run_in, run_out;
    int32_t run_bytes;
};

struct mcu_copy {
    const struct mcu_move *moves;
    int32_t moves_count;
};

/* `runs` runs of a line. Single elements are spelled out, since memcpy of an unknown length is a call. */
static inline void mcu_move_line(const struct mcu_move *move, const unsigned char *in, unsigned char *out)
{
    const ptrdiff_t in_stride = move->run_in, out_stride = move->run_out;
    int32_t run;
    switch (move->run_bytes) {
    case 1:
        if (in_stride == 0 && out_stride == 1) {
            memset(out, *in, (size_t)move->runs);
            break;
        }
        for (run = 0; run < move->runs; ++run) {
            out[run * out_stride] = in[run * in_stride];
        }
        break;
    case 2:
        for (run = 0; run < move->runs; ++run) {
            memcpy(out + run * out_stride, in + run * in_stride, 2);
        }
        break;
    case 4:
        for (run = 0; run < move->runs; ++run) {
            memcpy(out + run * out_stride, in + run * in_stride, 4);
        }
        break;
    default:
        for (run = 0; run < move->runs; ++run) {
            memcpy(out + run * out_stride, in + run * in_stride, (size_t)move->run_bytes);
        }
        break;
    }
}

/* The move's block of one step, if it has one. */
static inline void mcu_move_step(const struct mcu_move *move, unsigned char *arena, int32_t step)
{
    const int32_t in_row_bytes = move->input->row_bytes, out_row_bytes = move->output->row_bytes;
    int32_t in_offset = move->in_offset, out_offset = move->out_offset;
    const int32_t *axis = move->axes;
    const unsigned char *in;
    unsigned char *out;
    int32_t index, line;
    step -= move->start;
    if (step < 0) {
        return;
    }
    for (index = 0; index < move->axes_count; ++index, axis += 4) {
        const int32_t position = step / axis[0];
        if (position >= axis[1]) {
            return;
        }
        step -= position * axis[0];
        in_offset += position * axis[2];
        out_offset += position * axis[3];
    }
    if (step != 0) {
        return;
    }
    in = (const unsigned char *)mcu_read(move->input, arena, in_offset / in_row_bytes) + in_offset % in_row_bytes;
    out = (unsigned char *)mcu_write(move->output, arena, out_offset / out_row_bytes) + out_offset % out_row_bytes;
    for (line = 0; line < move->lines; ++line) {
        mcu_move_line(move, in + (ptrdiff_t)line * move->line_in, out + (ptrdiff_t)line * move->line_out);
    }
}

static inline void mcu_copy(const void *record, unsigned char *arena, int32_t first, int32_t last)
{
    const struct mcu_copy *op = (const struct mcu_copy *)record;
    int32_t step, move;
    for (step = first; step < last; ++step) {
        for (move = 0; move < op->moves_count; ++move) {
            mcu_move_step(&op->moves[move], arena, step);
        }
    }
}

#endif
