"""`make bench`: the benchmarks of the CPU. (Those of a GPU are `benchmarks.gpu`.)"""

import sys

from benchmarks import encoding, input_pipeline, rendering, training_step

rendering.main(sys.argv[1:])
encoding.main()
training_step.main()
input_pipeline.main()
