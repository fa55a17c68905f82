"""The paper's tables and figures from result records, beside published figures, and the page that shows them all."""
