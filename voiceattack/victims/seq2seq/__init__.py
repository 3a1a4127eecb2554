"""What all encoder-decoder recognisers share, whatever they hear by: teacher forcing and its losses."""
