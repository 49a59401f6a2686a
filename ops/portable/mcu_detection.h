/* Boxes from the outputs of YOLO-style heads, and non-maximum suppression, in integers. nas/tasks/boxes.py computes the same. */
#ifndef TFLM_MCUNET_DETECTION_H
#define TFLM_MCUNET_DETECTION_H

#include <stdint.h>

/* Edges are in sixteenths of a pixel of the network's input; score has 15 fractional bits. */
struct mcu_box {
    int16_t left, top, right, bottom;
    uint16_t score, class_index;
};

/* One output [rows][columns][5 + classes]: x, y, width, height, objectness, classes. logistic[q + 128] is the logistic function of
   the value q, with 15 fractional bits. Cells are `stride` pixels apart; `anchor` is the side of a typical box in pixels. */
struct mcu_detection_head {
    const uint16_t *logistic;
    int16_t rows, columns, stride, anchor;
};

/* All heads, of a network whose input has height x width pixels. Boxes below `score` are dropped, and so are boxes that share more
   than `overlap` (15 fractional bits) of their union with a better one of their class. */
struct mcu_detection {
    const struct mcu_detection_head *heads;
    int16_t count, classes, height, width;
    uint16_t score, overlap;
};

static inline int16_t mcu_detection_edge(int32_t edge, int16_t pixels)
{
    const int32_t limit = pixels * 16;
    return (int16_t)(edge < 0 ? 0 : edge > limit ? limit : edge);
}

/* Puts a box where it belongs among `count` boxes, best first, dropping the last where there are `capacity`; returns their number. */
static inline int32_t mcu_detection_insert(struct mcu_box *boxes, int32_t count, int32_t capacity, struct mcu_box box)
{
    int32_t place;
    if (count == capacity) {
        if (count == 0 || boxes[count - 1].score >= box.score) {
            return count;
        }
        --count;
    }
    for (place = count; place > 0 && boxes[place - 1].score < box.score; --place) {
        boxes[place] = boxes[place - 1];
    }
    boxes[place] = box;
    return count + 1;
}

/* The box of one cell: centre at (cell + 2 x - 1/2) strides, side of (2 w)^2 anchors, where x and w are logistic functions. */
static inline struct mcu_box mcu_detection_box(const struct mcu_detection *op, const struct mcu_detection_head *head,
                                               const int8_t *cell, int32_t row, int32_t column)
{
    const uint16_t *f = head->logistic + 128;
    const int32_t x = ((column * 32768 + 2 * f[cell[0]] - 16384) * head->stride) >> 11;
    const int32_t y = ((row * 32768 + 2 * f[cell[1]] - 16384) * head->stride) >> 11;
    const int32_t width = (int32_t)((((uint32_t)f[cell[2]] * f[cell[2]]) >> 15) * (uint32_t)head->anchor >> 9);
    const int32_t height = (int32_t)((((uint32_t)f[cell[3]] * f[cell[3]]) >> 15) * (uint32_t)head->anchor >> 9);
    struct mcu_box box = {0, 0, 0, 0, 0, 0};
    int32_t c, best = 0;
    for (c = 1; c < op->classes; ++c) {
        best = cell[5 + c] > cell[5 + best] ? c : best;
    }
    box.left = mcu_detection_edge(x - width / 2, op->width);
    box.top = mcu_detection_edge(y - height / 2, op->height);
    box.right = mcu_detection_edge(x + width / 2, op->width);
    box.bottom = mcu_detection_edge(y + height / 2, op->height);
    box.score = (uint16_t)(((uint32_t)f[cell[4]] * f[cell[5 + best]]) >> 15);
    box.class_index = (uint16_t)best;
    return box;
}

/* The `capacity` best boxes of all heads, best first; outputs[i] is the output of head i. Returns their number. */
static inline int32_t mcu_detection_decode(const struct mcu_detection *op, const int8_t *const outputs[], struct mcu_box *boxes,
                                           int32_t capacity)
{
    int32_t count = 0, i, row, column;
    for (i = 0; i < op->count; ++i) {
        const struct mcu_detection_head *head = &op->heads[i];
        const int8_t *cell = outputs[i];
        for (row = 0; row < head->rows; ++row) {
            for (column = 0; column < head->columns; ++column, cell += 5 + op->classes) {
                if (head->logistic[cell[4] + 128] >= op->score) {
                    const struct mcu_box box = mcu_detection_box(op, head, cell, row, column);
                    if (box.score >= op->score) {
                        count = mcu_detection_insert(boxes, count, capacity, box);
                    }
                }
            }
        }
    }
    return count;
}

static inline int32_t mcu_detection_area(const struct mcu_box *box)
{
    return (box->right - box->left) * (box->bottom - box->top);
}

/* Whether two boxes share more than `overlap` of their union. */
static inline int mcu_detection_same(const struct mcu_box *a, const struct mcu_box *b, uint16_t overlap)
{
    const int32_t left = a->left > b->left ? a->left : b->left, right = a->right < b->right ? a->right : b->right;
    const int32_t top = a->top > b->top ? a->top : b->top, bottom = a->bottom < b->bottom ? a->bottom : b->bottom;
    const int32_t shared = right > left && bottom > top ? (right - left) * (bottom - top) : 0;
    const int64_t joined = (int64_t)mcu_detection_area(a) + mcu_detection_area(b) - shared;
    return (int64_t)shared * 32768 > joined * overlap;
}

/* Drops boxes, best first, that a better one of their class stands for; returns how many stay. */
static inline int32_t mcu_detection_suppress(const struct mcu_detection *op, struct mcu_box *boxes, int32_t count)
{
    int32_t kept = 0, i, j;
    for (i = 0; i < count; ++i) {
        for (j = 0; j < kept; ++j) {
            if (boxes[j].class_index == boxes[i].class_index && mcu_detection_same(&boxes[j], &boxes[i], op->overlap)) {
                break;
            }
        }
        if (j == kept) {
            boxes[kept++] = boxes[i];
        }
    }
    return kept;
}

#endif
