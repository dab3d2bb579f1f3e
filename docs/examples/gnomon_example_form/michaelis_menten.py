from gnomon.laws import Form, register


@register
class MichaelisMenten(Form):
    """Saturation: y rises towards V, and is half of it at x = K."""

    name, title = "michaelis_menten", "Saturation of Michaelis and Menten"
    equation, source = r"y = \frac{V x}{K + x}", "Michaelis & Menten, Biochemische Zeitschrift 49 (1913) 333"
    parameters = {"V": "the limit as x grows", "K": "x at half the limit"}
    positive = ("V", "K")

    def value(self, x, theta):
        V, K = self.named(theta)
        return V * x[..., 0] / (K + x[..., 0])
