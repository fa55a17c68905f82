"""`make bench-gpu`: all that a GPU has to tell, in four minutes.

    ceilings         rates of a large copy and of large products, which the other figures are held against   `measuring.py`
    pixels           the fused kernel against float64, for every conversion, with CMSR and without           `pixels.py`
    decoding         prepare, render, decode at x2 to x8 of 180 x 320                                        `decoding.py`
    encoding         the encoders                                                                            `decoding.py`
    samples          training samples a second                                                               `training.py`
    steps            training steps a second, synchronisations, memory                                       `training.py`
    cmsr             what CMSR saves                                                                         `saving.py`
    compiled steps   training steps a second with compile=true                                               `training.py`
    choices          the kernel's own choices (tile, strip, registers), with --sweep                         `decoding.py`

A GPU is at hand rarely and briefly. So the run ends within its time (`running.py`), the results are written after every
measurement, and whatever fails leaves the rest standing. A wrong pixel, or an error, makes the exit status 1.
"""
