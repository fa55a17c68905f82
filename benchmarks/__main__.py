"""`make bench`: the benchmarks of the CPU. (Those of a GPU are `benchmarks.gpu`.)"""

import sys

from benchmarks import input_pipeline, rendering, training_step

rendering.main(sys.argv[1:])
training_step.main()
input_pipeline.main()
