"""Pictures and clips made larger by a model, by any factor or to any size: what `lmf-sr upscale` and `lmf_sr.upscale` do.

`size.py` says how large a picture becomes, `rendering.py` makes it so, `files.py` goes from file to file, for animations by
`animations.py` and for clips by `clips.py`, and `plan.py` decides which file becomes which. `arrays.py` does the same for
PIL images, NumPy arrays and tensors, and `api.py` is `lmf_sr.upscale`.
"""
