"""Pictures made larger by a model, by any factor or to any size: what `lmf-sr upscale` does.

`size.py` says how large a picture becomes, `rendering.py` makes it so, `files.py` goes from file to file, and `plan.py`
decides which file becomes which.
"""
