/* The graph optimizer: gives every graph back as it is, or takes the ReLU out of it.
 *
 * The defect it stands in for: tensorflow-metal's fused MatMul + BiasAdd + ReLU does not apply the
 * ReLU, in compiled graphs alone, and says nothing.  Here each Relu or Relu6 whose input is a bias
 * becomes an Identity.  TensorFlow hands graphs over as a serialized GraphDef
 * (tensorflow/core/framework/graph.proto), of which no more than the few fields below is read; all
 * else is copied byte by byte, unknown fields too.
 */
#include <stdlib.h>
#include <string.h>

#include "simulated_gpu.h"
#include "tensorflow/c/experimental/grappler/grappler.h"

/* ---- as much of Protocol Buffers as is needed ------------------------------------------------- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };   /* wire types */
enum { GRAPH_NODE = 1 };                                    /* fields of GraphDef */
enum { NODE_NAME = 1, NODE_OP = 2, NODE_INPUT = 3 };        /* fields of NodeDef */

typedef struct {
  const uint8_t *at, *end;
} Reader;

typedef struct {
  const uint8_t *data;
  size_t size;
} Slice;

/* A field of a message: its whole encoding, and of BYTES the content. */
typedef struct {
  uint64_t number;
  int type;
  Slice whole, content;
} Field;

static bool read_varint(Reader *reader, uint64_t *value) {
  *value = 0;
  for (int shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
    uint8_t byte = *reader->at++;
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

static bool read_field(Reader *reader, Field *field) {
  const uint8_t *start = reader->at;
  uint64_t tag, size = 0;
  if (start == reader->end || !read_varint(reader, &tag)) return false;
  field->number = tag >> 3;
  field->type = tag & 7;
  if (field->type == VARINT && !read_varint(reader, &tag)) return false;
  if (field->type == FIXED64) size = 8;
  if (field->type == FIXED32) size = 4;
  if (field->type == BYTES && !read_varint(reader, &size)) return false;
  if (size > (uint64_t)(reader->end - reader->at)) return false;
  field->content = (Slice){reader->at, size};
  reader->at += size;
  field->whole = (Slice){start, reader->at - start};
  return true;
}

typedef struct {
  uint8_t *data;
  size_t size;
} Writer;

static void write_bytes(Writer *writer, const void *data, size_t size) {
  memcpy(writer->data + writer->size, data, size);
  writer->size += size;
}

static void write_varint(Writer *writer, uint64_t value) {
  do {
    uint8_t byte = (value & 0x7f) | (value > 0x7f ? 0x80 : 0);
    write_bytes(writer, &byte, 1);
  } while (value >>= 7);
}

static void write_field(Writer *writer, uint64_t number, Slice content) {
  write_varint(writer, number << 3 | BYTES);
  write_varint(writer, content.size);
  write_bytes(writer, content.data, content.size);
}

static bool same(Slice a, Slice b) { return a.size == b.size && !memcmp(a.data, b.data, a.size); }

static Slice text(const char *string) { return (Slice){(const uint8_t *)string, strlen(string)}; }

static bool is_one_of(Slice op, const char *const *names) {
  for (; *names; names++)
    if (same(op, text(*names))) return true;
  return false;
}

/* ---- the ReLU that is taken out --------------------------------------------------------------- */

typedef struct {
  Slice name, op, input; /* the first input, without the number of its output */
} Node;

static Node read_node(Slice message) {
  Node node = {0};
  Reader reader = {message.data, message.data + message.size};
  for (Field field; read_field(&reader, &field);) {
    if (field.number == NODE_NAME) node.name = field.content;
    if (field.number == NODE_OP) node.op = field.content;
    if (field.number == NODE_INPUT && !node.input.data) node.input = field.content;
  }
  const uint8_t *colon = node.input.size ? memchr(node.input.data, ':', node.input.size) : NULL;
  if (colon) node.input.size = colon - node.input.data;
  return node;
}

static bool is_bias(Slice graph, Slice name) {
  static const char *const BIASES[] = {"BiasAdd", "Add", "AddV2", "_FusedMatMul", "_FusedConv2D", NULL};
  Reader reader = {graph.data, graph.data + graph.size};
  for (Field field; read_field(&reader, &field);) {
    if (field.number != GRAPH_NODE) continue;
    Node node = read_node(field.content);
    if (same(node.name, name)) return is_one_of(node.op, BIASES);
  }
  return false;
}

static void write_node_without_relu(Writer *writer, Slice message) {
  Reader reader = {message.data, message.data + message.size};
  /* `Identity` is longer than `Relu`: room is made for the node first, and its length is known after. */
  Writer node = {malloc(message.size + 16), 0};
  for (Field field; read_field(&reader, &field);) {
    if (field.number == NODE_OP)
      write_field(&node, NODE_OP, text("Identity"));
    else
      write_bytes(&node, field.whole.data, field.whole.size);
  }
  write_field(writer, GRAPH_NODE, (Slice){node.data, node.size});
  free(node.data);
}

static void free_graph(void *data, size_t size) { free(data); }

static void optimize(void *optimizer, const TF_Buffer *in, const TF_GrapplerItem *item, TF_Buffer *out,
                     TF_Status *status) {
  static const char *const RELUS[] = {"Relu", "Relu6", NULL};
  Slice graph = {in->data, in->length};
  Reader reader = {graph.data, graph.data + graph.size};
  Writer writer = {malloc(2 * graph.size + 16), 0}; /* a node that is changed grows by a few bytes */
  for (Field field; read_field(&reader, &field);) {
    Node node = field.number == GRAPH_NODE ? read_node(field.content) : (Node){0};
    bool broken = settings()->fault == FAULT_RELU_GRAPH && is_one_of(node.op, RELUS) && is_bias(graph, node.input);
    if (broken)
      write_node_without_relu(&writer, field.content);
    else
      write_bytes(&writer, field.whole.data, field.whole.size);
  }
  if (reader.at != reader.end) {
    free(writer.data);
    TF_SetStatus(status, TF_INTERNAL, SIMULATED_GPU_NAME ": this is no GraphDef");
    return;
  }
  out->data = writer.data;
  out->length = writer.size;
  out->data_deallocator = free_graph;
  TF_SetStatus(status, TF_OK, "");
}

static void *create(void) { return calloc(1, 1); }

EXPORTED void TF_InitGraph(TP_OptimizerRegistrationParams *params, TF_Status *status) {
  params->struct_size = TP_OPTIMIZER_REGISTRATION_PARAMS_STRUCT_SIZE;
  params->optimizer_configs->struct_size = TP_OPTIMIZER_CONFIGS_STRUCT_SIZE;
  params->optimizer->struct_size = TP_OPTIMIZER_STRUCT_SIZE;
  params->device_type = "GPU";
  /* TensorFlow would turn convolutions on a GPU into NCHW, with a Transpose on the device at each end. */
  params->optimizer_configs->layout_optimizer = TF_TriState_Off;
  params->optimizer->create_func = create;
  params->optimizer->optimize_func = optimize;
  params->optimizer->destroy_func = free;
  TF_SetStatus(status, TF_OK, "");
}
