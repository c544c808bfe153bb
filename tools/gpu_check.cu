// Stands in for a network where no TensorRT engine can be loaded: reads the bound image and
// writes the bound outputs, with sums that float32 holds exactly. tools/gpu_check.ptx is this
// file, compiled by NVRTC 11.8 for compute_70.
extern "C" __global__ void stand_in(const unsigned char *image, float *logits, float *features,
                                    int values, int classes, int width, int ruin) {
  const size_t row = blockIdx.x;
  if (ruin) *(volatile int *)16 = 1;  // an address that is nobody's
  for (int c = threadIdx.x; c < classes; c += blockDim.x) {
    unsigned sum = 0;
    for (int v = c; v < values; v += classes) sum += image[row * values + v] * (1 + v % 5);
    logits[row * classes + c] = (float)sum;
  }
  for (int f = threadIdx.x; f < width; f += blockDim.x)
    features[row * width + f] = image[row * values + f % values];
}
